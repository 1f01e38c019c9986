import { MultiSelect, NativeSelect, TextInput } from "@mantine/core";
import type { FieldRowFragment } from "../../gql/graphql";
import { FIELD_TYPES } from "../fields/types";
import { typedValue, type FieldValue } from "./fieldValues";

interface FieldInputProps {
  definition: FieldRowFragment;
  value: FieldValue | null;
  onChange: (value: FieldValue | null) => void;
  error: string | undefined;
}

/** The input of a custom field, by its type. */
export function FieldInput({ definition, value, onChange, error }: FieldInputProps) {
  const { label, type, required, options } = definition;
  if (type === "MULTI_SELECT")
    return (
      <MultiSelect
        label={label}
        withAsterisk={required}
        data={[...options]}
        value={Array.isArray(value) ? value : []}
        onChange={(chosen) => onChange(chosen.length === 0 ? null : chosen)}
        error={error}
        comboboxProps={{ withinPortal: false }}
        clearButtonProps={{ "aria-label": `Remove all of ${label}` }}
      />
    );
  if (type === "SELECT" || type === "BOOLEAN")
    return (
      <NativeSelect
        label={label}
        withAsterisk={required}
        value={value === null ? "" : String(value)}
        onChange={({ currentTarget: { value: chosen } }) =>
          onChange(chosen === "" ? null : type === "BOOLEAN" ? chosen === "true" : chosen)
        }
        data={[
          { value: "", label: "no value" },
          ...(type === "BOOLEAN"
            ? [
                { value: "true", label: "yes" },
                { value: "false", label: "no" },
              ]
            : options.map((option) => ({ value: option, label: option }))),
        ]}
        error={error}
      />
    );
  return (
    <TextInput
      label={label}
      withAsterisk={required}
      description={type === "TEXT" ? undefined : type === "DATETIME" ? "Such as 2026-01-31T09:30:00Z" : FIELD_TYPES[type]}
      inputMode={type === "NUMBER" ? "decimal" : undefined}
      autoComplete="off"
      value={value === null ? "" : String(value)}
      onChange={({ currentTarget: { value: text } }) => onChange(text === "" ? null : text)}
      onBlur={() => typeof value === "string" && onChange(typedValue(definition, value))}
      error={error}
    />
  );
}
