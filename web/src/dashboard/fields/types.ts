import type { FieldTarget, FieldType } from "../../gql/graphql";

export const TARGETS: Record<FieldTarget, string> = { USER: "Users", VISITOR: "Visitors", ROOM: "Rooms" };

/** Each type in a few words. */
export const FIELD_TYPES: Record<FieldType, string> = {
  TEXT: "text",
  NUMBER: "number",
  BOOLEAN: "yes or no",
  DATETIME: "date and time",
  SELECT: "one of several options",
  MULTI_SELECT: "some of several options",
};

export function hasOptions(type: FieldType): boolean {
  return type === "SELECT" || type === "MULTI_SELECT";
}
