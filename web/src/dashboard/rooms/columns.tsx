import type { ReactNode } from "react";
import type { RoomStatus } from "../../gql/graphql";
import type { ListedRoom } from "../client/liveList";
import type { RoomField } from "./filter/conditions";
import { agentName, Elapsed, exact, sinceOf, Status } from "./status";

export interface Column {
  name: string;
  label: string;
  /** The smallest width in rem, and the share of what is left. */
  width: [rem: number, share: number];
  /** The name of the order that the head of the column chooses. */
  order?: string;
  cell: (room: ListedRoom) => ReactNode;
}

const LAST_MESSAGE: Column = { name: "message", label: "Last message", width: [9, 2], order: "message", cell: lastMessage };

/** The columns that a table of rooms can have. Null: rooms of every status. */
export function columnsFor(status: RoomStatus | null, fields: RoomField[], messages: boolean): Column[] {
  return [
    { name: "status", label: "Status", width: [6.5, 0], cell: (room) => <Status status={room.status} /> },
    {
      name: "since",
      label: status === "QUEUED" ? "Waiting" : "Since",
      width: [5.5, 0],
      order: status === "QUEUED" ? "queue" : status === "CLOSED" ? "closed" : undefined,
      cell: (room) => <Elapsed since={sinceOf(room)} />,
    },
    { name: "subject", label: "Subject", width: [9, 2], cell: (room) => room.subject ?? "(no subject)" },
    { name: "visitor", label: "Visitor", width: [6, 1], cell: ({ visitor }) => visitor.name ?? "(no name)" },
    { name: "department", label: "Department", width: [6, 1], cell: ({ department }) => department?.name },
    { name: "agent", label: "Agent", width: [6, 1], cell: agentName },
    ...(messages ? [LAST_MESSAGE] : []),
    { name: "priority", label: "Priority", width: [5, 0], order: "priority", cell: ({ priority }) => String(priority) },
    { name: "tags", label: "Tags", width: [6, 1], cell: ({ tags }) => tags.join(", ") },
    { name: "source", label: "Source", width: [5, 0.5], cell: ({ source }) => source },
    { name: "started", label: "Started", width: [5.5, 0], order: "started", cell: ({ startedAt }) => <Elapsed since={startedAt} /> },
    ...fields.map((field): Column => ({
      name: `field.${field.key}`,
      label: field.label,
      width: [5, 1],
      order: field.type === "MULTI_SELECT" ? undefined : `field.${field.key}`,
      cell: ({ customFields }) => valueText(customFields.find(({ key }) => key === field.key)?.value, field.type),
    })),
  ];
}

/** A table of all statuses has more columns of its own. */
const SHOWN_FIELDS = { ofOneStatus: 2, ofAll: 1 };

/** The columns in a link, such as `columns=since,subject,field.order`. */
export function chosenColumns(text: string | null, all: Column[], status: RoomStatus | null): Column[] {
  if (text !== null) {
    const names = text.split(",");
    return all.filter(({ name }) => name === "subject" || names.includes(name));
  }
  const fields = all.filter(({ name }) => name.startsWith("field.")).slice(0, status === null ? SHOWN_FIELDS.ofAll : SHOWN_FIELDS.ofOneStatus);
  const names = ["since", "subject", "visitor", "department", "message", ...fields.map(({ name }) => name)];
  if (status === null) names.push("status");
  if (status !== "QUEUED") names.push("agent");
  return all.filter(({ name }) => names.includes(name));
}

function lastMessage({ lastMessage: message }: ListedRoom): ReactNode {
  if (!message) return null;
  return (
    <>
      {message.audience === "STAFF" && <span className="note-mark">note</span>}
      <span className="quiet">{message.sender.name ?? message.sender.type.toLowerCase()}:</span>{" "}
      {message.redactedAt ? "(removed)" : message.text.slice(0, 120)}
    </>
  );
}

export function valueText(value: unknown, type?: RoomField["type"]): string {
  if (value === undefined || value === null) return "";
  if (type === "BOOLEAN") return value === true ? "yes" : "no";
  if (type === "DATETIME") return exact(String(value));
  return Array.isArray(value) ? value.join(", ") : String(value);
}
