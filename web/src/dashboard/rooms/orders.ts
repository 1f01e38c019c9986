import type { OrderDirection, RoomOrder, RoomOrderField, RoomStatus } from "../../gql/graphql";
import type { Comparer, ListedRoom } from "../client/liveList";
import type { RoomField } from "./filter/conditions";

/** An order of the API with its name in a link. */
export interface NamedOrder {
  name: string;
  label: string;
  field: RoomOrderField;
  customField?: RoomField;
}

const ORDERS: NamedOrder[] = [
  { name: "queue", label: "Queue", field: "QUEUE" },
  { name: "started", label: "Start", field: "STARTED_AT" },
  { name: "priority", label: "Priority", field: "PRIORITY" },
  { name: "message", label: "Last message", field: "LAST_MESSAGE_AT" },
  { name: "closed", label: "Closing", field: "CLOSED_AT" },
];

export function ordersWith(fields: RoomField[]): NamedOrder[] {
  const sortable = fields.filter(({ type }) => type !== "MULTI_SELECT");
  return [
    ...ORDERS,
    ...sortable.map((field): NamedOrder => ({
      name: `field.${field.key}`,
      label: field.label,
      field: "CUSTOM_FIELD",
      customField: field,
    })),
  ];
}

export interface ChosenOrder {
  order: NamedOrder;
  direction: OrderDirection;
}

/** The order in a link: `queue`, or `-closed` for the opposite direction. */
export function readOrder(text: string | null, orders: NamedOrder[], status: RoomStatus | null): ChosenOrder {
  const wanted = text ?? (status === "QUEUED" ? "queue" : status === "CLOSED" ? "-closed" : "started");
  const order = orders.find(({ name }) => name === wanted.replace(/^-/, "")) ?? orders[1]!;
  return { order, direction: wanted.startsWith("-") ? "DESC" : "ASC" };
}

export function printOrder({ order, direction }: ChosenOrder): string {
  return direction === "DESC" ? `-${order.name}` : order.name;
}

export function inputOf({ order, direction }: ChosenOrder): RoomOrder {
  return { field: order.field, direction, ...(order.customField ? { customField: order.customField.key } : {}) };
}

type Value = number | string;

/** The order of the API: rooms without a value last, rooms with the same one as they were started. */
export function comparerOf({ order, direction }: ChosenOrder): Comparer {
  const read = VALUES[order.field] ?? ((room: ListedRoom) => customValue(room, order.customField!));
  const known = new WeakMap<ListedRoom, Value[] | null>();
  // Each room is compared many times.
  function valuesOf(room: ListedRoom): Value[] | null {
    let values = known.get(room);
    if (values === undefined) known.set(room, (values = read(room)));
    return values;
  }
  const sign = direction === "DESC" ? -1 : 1;
  return (one, other) => {
    const [values, others] = [valuesOf(one), valuesOf(other)];
    if (values === null || others === null) {
      if (values !== null) return -1;
      if (others !== null) return 1;
    } else
      for (const [index, value] of values.entries()) {
        const difference = compare(value, others[index]!);
        if (difference !== 0) return sign * difference;
      }
    return sign * compare(one.id, other.id);
  };
}

function compare(one: Value, other: Value): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

const VALUES: Partial<Record<RoomOrderField, (room: ListedRoom) => Value[] | null>> = {
  STARTED_AT: () => [],
  PRIORITY: ({ priority }) => [priority],
  QUEUE: ({ status, priority, queuedAt }) => (status === "QUEUED" && queuedAt ? [-priority, Date.parse(queuedAt)] : null),
  CLOSED_AT: ({ closedAt }) => (closedAt ? [Date.parse(closedAt)] : null),
  LAST_MESSAGE_AT: ({ lastMessageAt }) => (lastMessageAt ? [Date.parse(lastMessageAt)] : null),
};

function customValue(room: ListedRoom, { key, type }: RoomField): Value[] | null {
  const value = room.customFields.find((one) => one.key === key)?.value;
  if (value === undefined) return null;
  if (type === "DATETIME") return [Date.parse(String(value))];
  return [typeof value === "boolean" ? Number(value) : (value as Value)];
}
