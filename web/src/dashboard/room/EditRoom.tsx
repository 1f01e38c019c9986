import { useApolloClient } from "@apollo/client/react";
import { Button, Checkbox, Group, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { EditRoomDocument } from "../../gql/graphql";
import { refusalOf, refusalsOf } from "../client/refusal";
import type { RoomField } from "../rooms/filter/conditions";
import { Problem } from "../shell/Problem";
import { inputOf, isSame, shownOf, type Shown } from "./edits";
import type { RoomDetails } from "./useRoom";

/** Codes of errors about a custom field, whose `key` is the one of the field. */
const OF_FIELDS = new Set(["INVALID_FIELD_VALUE", "FIELD_REQUIRED", "UNKNOWN_FIELD", "DUPLICATE_VALUE"]);

interface EditRoomProps {
  room: RoomDetails;
  definitions: RoomField[];
  refresh: () => Promise<RoomDetails | null | undefined>;
  end: () => void;
}

/** The form of a room. It sends what was changed, and says what somebody else has changed in the meantime. */
export function EditRoom({ room, definitions, refresh, end }: EditRoomProps) {
  const client = useApolloClient();
  const [base, setBase] = useState(room);
  const [edits, setEdits] = useState<Shown>({});
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState<string | null>(null);
  const [saving, setSaving] = useState(false);
  const before = shownOf(base, definitions);
  const labels = { subject: "Subject", priority: "Priority", tags: "Tags" } as Record<string, string>;
  for (const { key, label } of definitions) labels[`field.${key}`] = label;

  function change(name: string, value: string | string[]) {
    setErrors(({ [name]: _, ...others }) => others);
    setEdits(({ [name]: _, ...others }) => (isSame(value, before[name]) ? others : { ...others, [name]: value }));
  }

  async function save(of: RoomDetails): Promise<void> {
    try {
      await client.mutate({ mutation: EditRoomDocument, variables: { input: inputOf(of, definitions, edits) } });
      end();
    } catch (error) {
      if (refusalOf(error).code !== "STALE_REVISION") return refuse(error);
      const present = await refresh();
      if (!present || present.revision === of.revision) return refuse(error);
      setBase(present);
      const conflicts = conflictsOf(shownOf(of, definitions), shownOf(present, definitions));
      // What somebody else has changed is not what this form changes.
      if (conflicts.length === 0) return save(present);
      setProblem(`Somebody else has changed the room: ${conflicts.join("; ")}. Save again to write yours over it.`);
    }
  }

  function conflictsOf(earlier: Shown, present: Shown): string[] {
    const names = Object.keys(edits).filter((name) => !isSame(earlier[name], present[name]) && !isSame(edits[name], present[name]));
    return names.map((name) => `${labels[name]} is now “${String(present[name])}”`);
  }

  function refuse(error: unknown) {
    const found: Record<string, string> = {};
    const rest: string[] = [];
    for (const { key, code, message } of refusalsOf(error)) {
      const name = OF_FIELDS.has(code ?? "") ? `field.${key}` : (key ?? "").split(".")[0]!;
      if (name in labels) found[name] = message;
      else rest.push(message);
    }
    setErrors(found);
    if (rest.length > 0) setProblem(rest.join(" "));
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (Object.keys(edits).length === 0) return end();
    setSaving(true);
    setProblem(null);
    await save(base);
    setSaving(false);
  }

  const of = (name: string) => ({
    size: "xs",
    label: labels[name],
    error: errors[name],
    value: String(edits[name] ?? before[name] ?? ""),
    onChange: (event: { currentTarget: { value: string } }) => change(name, event.currentTarget.value),
  });
  return (
    <form onSubmit={(event) => void submit(event)} aria-label="Edit the room" noValidate>
      <Stack gap={6}>
        <TextInput {...of("subject")} data-autofocus />
        <TextInput {...of("priority")} type="number" />
        <TextInput {...of("tags")} description="Separated by commas" />
        {definitions.map((definition) => {
          const name = `field.${definition.key}`;
          const { type, options, required } = definition;
          if (type === "MULTI_SELECT")
            return (
              <Checkbox.Group
                key={name}
                size="xs"
                label={labels[name]}
                error={errors[name]}
                value={(edits[name] ?? before[name] ?? []) as string[]}
                onChange={(value) => change(name, value)}
              >
                <Group gap="xs">
                  {options.map((one) => (
                    <Checkbox key={one} size="xs" value={one} label={one} />
                  ))}
                </Group>
              </Checkbox.Group>
            );
          if (type === "SELECT" || type === "BOOLEAN") {
            const values = type === "SELECT" ? options.map((one) => ({ value: one, label: one })) : YES_NO;
            return <NativeSelect key={name} {...of(name)} withAsterisk={required} data={[{ value: "", label: "–" }, ...values]} />;
          }
          return <TextInput key={name} {...of(name)} withAsterisk={required} type={INPUT_TYPES[type]} step="any" />;
        })}
        {problem && <Problem>{problem}</Problem>}
        <Group gap="xs">
          <Button type="submit" size="xs" loading={saving}>
            Save
          </Button>
          <Button size="xs" variant="default" onClick={end}>
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

const YES_NO = [
  { value: "true", label: "yes" },
  { value: "false", label: "no" },
];
const INPUT_TYPES: Partial<Record<RoomField["type"], string>> = { NUMBER: "number", DATETIME: "datetime-local" };
