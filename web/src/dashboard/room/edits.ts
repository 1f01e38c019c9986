import type { CustomFieldInput, UpdateRoomInput } from "../../gql/graphql";
import type { RoomField } from "../rooms/filter/conditions";
import type { RoomDetails } from "./useRoom";

/** What the form shows of a room: a text for each field, or the chosen options. Custom fields are named `field.KEY`. */
export type Shown = Record<string, string | string[]>;

export function shownOf(room: RoomDetails, definitions: RoomField[]): Shown {
  const shown: Shown = { subject: room.subject ?? "", priority: String(room.priority), tags: room.tags.join(", ") };
  for (const { key, type } of definitions) {
    const value = room.customFields.find((one) => one.key === key)?.value;
    if (type === "MULTI_SELECT") shown[`field.${key}`] = (value as string[] | undefined) ?? [];
    else if (type === "DATETIME" && value !== undefined) shown[`field.${key}`] = localTime(String(value));
    else shown[`field.${key}`] = value === undefined ? "" : String(value);
  }
  return shown;
}

export function isSame(one: string | string[] | undefined, other: string | string[] | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The mutation's input for the changed fields alone. */
export function inputOf(room: RoomDetails, definitions: RoomField[], edits: Shown): UpdateRoomInput {
  const input: UpdateRoomInput = { roomId: room.id, ifRevision: room.revision };
  const { subject, priority, tags } = edits;
  if (typeof subject === "string") input.subject = subject.trim() === "" ? null : subject.trim();
  if (typeof priority === "string") input.priority = priority.trim() === "" ? null : Number(priority);
  if (typeof tags === "string") input.tags = [...new Set(tags.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
  const fields = definitions.flatMap((definition): CustomFieldInput[] => {
    const edited = edits[`field.${definition.key}`];
    return edited === undefined ? [] : [{ key: definition.key, value: valueOf(definition, edited) }];
  });
  if (fields.length > 0) input.customFields = fields;
  return input;
}

function valueOf({ type }: RoomField, edited: string | string[]): CustomFieldInput["value"] {
  if (edited.length === 0) return null;
  if (type === "NUMBER") return Number(edited);
  if (type === "BOOLEAN") return edited === "true";
  if (type === "DATETIME") return new Date(String(edited)).toISOString();
  return edited;
}

/** A time as an input of the browser wants it: local, without a zone. */
function localTime(value: string): string {
  const time = new Date(value);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
