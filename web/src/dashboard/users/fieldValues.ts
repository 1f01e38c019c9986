import type { CustomFieldFilter, FieldRowFragment } from "../../gql/graphql";

export type FieldValue = string | number | boolean | string[];

/** The condition that a field has the value that was typed. */
export function conditionOf(definition: FieldRowFragment, text: string): CustomFieldFilter {
  const { key, type } = definition;
  if (type === "MULTI_SELECT") return { key, contains: text };
  return { key, eq: typedValue(definition, text) };
}

/** A typed text as a value of the field. A text that is none stays a text: the server says what it expects. */
export function typedValue({ type }: FieldRowFragment, text: string): FieldValue {
  if (type === "NUMBER" && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (type === "BOOLEAN" && /^(true|yes)$/i.test(text)) return true;
  if (type === "BOOLEAN" && /^(false|no)$/i.test(text)) return false;
  return text;
}

export function shownValue(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
