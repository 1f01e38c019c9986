import type { RoomFilter, RoomOrder, RoomRowFragment, RoomStatus } from "../../gql/graphql";
import { STATUSES } from "./status";

/** The filter of the page is in its link, so that it can be shared. */
export interface Shown {
  status: RoomStatus;
  subject: string;
  tag: string;
  departmentId: string;
}

export function readShown(parameters: URLSearchParams): Shown {
  const status = parameters.get("status")?.toUpperCase() as RoomStatus;
  return {
    status: STATUSES.includes(status) ? status : "QUEUED",
    subject: parameters.get("subject") ?? "",
    tag: parameters.get("tag") ?? "",
    departmentId: parameters.get("department") ?? "",
  };
}

/** The filter without the status, which the tabs choose. */
export function baseFilter({ subject, tag, departmentId }: Shown): RoomFilter {
  return {
    ...(subject === "" ? {} : { subject: { contains: subject, ignoreCase: true } }),
    ...(tag === "" ? {} : { hasTags: [tag] }),
    ...(departmentId === "" ? {} : { departmentId }),
  };
}

/** Closed rooms: the last one first. Others: the one that started first comes first. */
export function orderOf(status: RoomStatus): RoomOrder {
  return status === "CLOSED" ? { field: "CLOSED_AT", direction: "DESC" } : { field: "STARTED_AT", direction: "ASC" };
}

export function comparerOf(status: RoomStatus): (one: RoomRowFragment, other: RoomRowFragment) => number {
  const by = (one: RoomRowFragment, other: RoomRowFragment, first: string, second: string) =>
    Date.parse(first) - Date.parse(second) || (one.id < other.id ? -1 : 1);
  return status === "CLOSED"
    ? (one, other) => by(other, one, other.closedAt ?? other.startedAt, one.closedAt ?? one.startedAt)
    : (one, other) => by(one, other, one.startedAt, other.startedAt);
}
