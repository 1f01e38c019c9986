import { Button, Group, SegmentedControl, Text } from "@mantine/core";
import { FieldsDocument, type EventType, type FieldRowFragment, type FieldTarget } from "../../gql/graphql";
import { useMay } from "../session/session";
import { Listing, type Column } from "../ui/Listing";
import { PageHeader } from "../ui/PageHeader";
import { Words } from "../ui/Words";
import { useLinkState } from "../ui/useLinkState";
import { useLiveRows } from "../ui/useLiveRows";
import { FieldForm } from "./FieldForm";
import { RemoveField } from "./RemoveField";
import { FIELD_TYPES, TARGETS, hasOptions } from "./types";

const EVENTS: EventType[] = ["CUSTOM_FIELD_DEFINED", "CUSTOM_FIELD_UPDATED", "CUSTOM_FIELD_REMOVED"];

/** The custom fields of users, visitors and rooms. */
export function FieldsPage() {
  const { get, set, push } = useLinkState();
  const mayEdit = useMay("fields:write");
  const target = readTarget(get("of"));
  const list = useLiveRows({
    document: FieldsDocument,
    variables: { target },
    page: ({ customFieldDefinitions }) => customFieldDefinitions && { rows: customFieldDefinitions },
    types: EVENTS,
  });
  const columns: Column<FieldRowFragment>[] = [
    {
      title: "Field",
      cell: ({ key, label }) => (
        <>
          <div className="name">{label}</div>
          <code className="quiet">{key}</code>
        </>
      ),
    },
    { title: "Type", cell: ({ type }) => FIELD_TYPES[type] },
    { title: "Rules", cell: (field) => <Rules field={field} /> },
    {
      title: "Actions",
      cell: ({ id, label }) =>
        mayEdit && (
          <Group gap="xs" wrap="nowrap" justify="end" className="actions">
            <Button variant="default" size="compact-sm" aria-label={`Edit ${label}`} onClick={() => push({ open: "edit", field: id })}>
              Edit
            </Button>
            <Button variant="default" size="compact-sm" aria-label={`Remove ${label}`} onClick={() => push({ open: "remove", field: id })}>
              Remove
            </Button>
          </Group>
        ),
    },
  ];
  const close = () => {
    set({ open: "", field: "" });
    void list.refresh();
  };
  const chosen = list.rows?.find(({ id }) => id === get("field")) ?? null;
  return (
    <>
      <PageHeader title="Custom fields" action={mayEdit && <Button onClick={() => push({ open: "new" })}>Define a field</Button>}>
        What this deployment stores of users, visitors and rooms beyond their own fields, checked with each write.
      </PageHeader>
      <SegmentedControl
        aria-label="Fields of"
        mb="md"
        value={target}
        onChange={(value) => set({ of: value === "USER" ? "" : value.toLowerCase() })}
        data={Object.entries(TARGETS).map(([value, label]) => ({ value, label }))}
      />
      <Listing
        label={`Custom fields of ${TARGETS[target].toLowerCase()}`}
        list={list}
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <>
            <Text>{TARGETS[target]} have no custom field yet.</Text>
            <Text>
              {target === "USER"
                ? "Define a unique text field, such as externalId, to find users by their number in another system."
                : "Define a field, and apps and filters can use it at once."}
            </Text>
          </>
        }
      />
      {mayEdit && get("open") === "new" && <FieldForm field={null} target={target} onClose={close} />}
      {mayEdit && get("open") === "edit" && chosen && <FieldForm key={chosen.id} field={chosen} target={target} onClose={close} />}
      {mayEdit && get("open") === "remove" && chosen && <RemoveField field={chosen} onClose={close} />}
    </>
  );
}

function Rules({ field }: { field: FieldRowFragment }) {
  const { type, required, unique, options, pattern } = field;
  const rules = [required && "required", unique && "unique"].filter((rule) => rule !== false);
  if (rules.length === 0 && !pattern && !hasOptions(type)) return <span className="quiet">none</span>;
  return (
    <>
      {rules.length > 0 && <div>{rules.join(", ")}</div>}
      {hasOptions(type) && <Words words={options} />}
      {pattern && (
        <div>
          <span className="quiet">matches</span> <code>{pattern}</code>
        </div>
      )}
    </>
  );
}

function readTarget(text: string): FieldTarget {
  const target = text.toUpperCase();
  return target === "VISITOR" || target === "ROOM" ? target : "USER";
}
