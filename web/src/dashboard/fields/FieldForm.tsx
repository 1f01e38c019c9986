import { NativeSelect, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { DefineFieldDocument, UpdateFieldDocument, type FieldRowFragment, type FieldTarget, type FieldType } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { FIELD_TYPES, TARGETS, hasOptions } from "./types";

const INPUTS = ["key", "label", "type", "required", "unique", "options", "pattern"];
/** Stored values that break a new rule are reported with the key of the field. */
const INPUT_OF_CODE = { FIELD_REQUIRED: "required", DUPLICATE_VALUE: "unique" };

interface FieldFormProps {
  /** Null: a new one. */
  field: FieldRowFragment | null;
  target: FieldTarget;
  onClose: () => void;
}

/** Defines a field, or changes the rules of one. */
export function FieldForm({ field, target, onClose }: FieldFormProps) {
  const { client } = useApi();
  const action = useAction(INPUTS, INPUT_OF_CODE);
  const [first] = useState(() => ({
    key: field?.key ?? "",
    label: field?.label ?? "",
    type: field?.type ?? ("TEXT" as FieldType),
    required: field?.required ?? false,
    unique: field?.unique ?? false,
    options: field?.options ?? [],
    pattern: field?.pattern ?? "",
  }));
  const [values, setValues] = useState(first);
  const change = (changed: Partial<typeof values>) => setValues((before) => ({ ...before, ...changed }));
  const { key, label, type, required, unique, options, pattern } = values;

  async function save() {
    const done = await action.run(() => (field ? update(field.id) : define()));
    if (done) onClose();
  }

  function define() {
    const input = {
      target,
      key: key.trim(),
      type,
      required,
      unique,
      ...(label.trim() === "" ? {} : { label: label.trim() }),
      ...(hasOptions(type) ? { options } : {}),
      ...(type === "TEXT" && pattern !== "" ? { pattern } : {}),
    };
    return client.mutate({ mutation: DefineFieldDocument, variables: { input } });
  }

  function update(id: string) {
    const input = {
      id,
      ...(label === first.label ? {} : { label: label.trim() }),
      ...(required === first.required ? {} : { required }),
      ...(unique === first.unique ? {} : { unique }),
      ...(options.join("\n") === first.options.join("\n") ? {} : { options }),
      ...(pattern === first.pattern ? {} : { pattern: pattern || null }),
    };
    return client.mutate({ mutation: UpdateFieldDocument, variables: { input } });
  }

  return (
    <FormDialog
      title={field ? `Edit ${field.label}` : `Define a field of ${TARGETS[target].toLowerCase()}`}
      submit={field ? "Save" : "Define"}
      action={action}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      {field ? (
        <Text className="quiet">
          <code>{field.key}</code>, {FIELD_TYPES[field.type]}. Key and type stay as they are.
        </Text>
      ) : (
        <>
          <TextInput
            label="Key"
            description="For programs: letters, digits, _ and -. It never changes."
            required
            data-autofocus
            maxLength={64}
            autoComplete="off"
            value={key}
            onChange={(event) => change({ key: event.currentTarget.value })}
            error={action.at("key")}
          />
          <NativeSelect
            label="Type"
            description="It never changes."
            value={type}
            onChange={(event) => change({ type: event.currentTarget.value as FieldType })}
            data={Object.entries(FIELD_TYPES).map(([value, text]) => ({ value, label: text }))}
            error={action.at("type")}
          />
        </>
      )}
      <TextInput
        label="Label"
        description={field ? "For people." : "For people. Empty: the key."}
        autoComplete="off"
        required={field !== null}
        value={label}
        onChange={(event) => change({ label: event.currentTarget.value })}
        error={action.at("label")}
      />
      {hasOptions(type) && (
        <TagsInput
          label="Options"
          description="Type each one and press Enter."
          value={options}
          onChange={(chosen) => change({ options: chosen })}
          splitChars={["\n"]}
          error={action.at("options")}
          clearButtonProps={{ "aria-label": "Remove all options" }}
        />
      )}
      {type === "TEXT" && (
        <TextInput
          label="Pattern"
          description="A regular expression (RE2) that the whole value must match, such as C-[0-9]+. Empty: any text."
          autoComplete="off"
          value={pattern}
          onChange={(event) => change({ pattern: event.currentTarget.value })}
          error={action.at("pattern")}
        />
      )}
      <Switch
        label="Unique"
        description={`No two ${TARGETS[target].toLowerCase()} have the same value, and one is found by it.`}
        checked={unique}
        disabled={type === "MULTI_SELECT"}
        onChange={(event) => change({ unique: event.currentTarget.checked })}
        error={action.at("unique")}
      />
      <Switch
        label="Required"
        description="Each operation that creates one needs a value."
        checked={required}
        onChange={(event) => change({ required: event.currentTarget.checked })}
        error={action.at("required")}
      />
    </FormDialog>
  );
}
