import { useSyncExternalStore } from "react";
import type { RoomRowFragment, RoomStatus } from "../../gql/graphql";
import { useApi } from "../client/hooks";

export const STATUSES: RoomStatus[] = ["QUEUED", "ASSIGNED", "ON_HOLD", "CLOSED"];
export const LABELS: Record<RoomStatus, string> = {
  QUEUED: "waiting",
  ASSIGNED: "served",
  ON_HOLD: "on hold",
  CLOSED: "closed",
};
const SHAPES: Record<RoomStatus, string> = { QUEUED: "◔", ASSIGNED: "●", ON_HOLD: "❚❚", CLOSED: "■" };

/** A status as a colour, a shape and a word. */
export function Status({ status }: { status: RoomStatus }) {
  return (
    <span className={`status ${status}`}>
      <span aria-hidden>{SHAPES[status]}</span> {LABELS[status]}
    </span>
  );
}

type Dated = Pick<RoomRowFragment, "status" | "queuedAt" | "startedAt" | "closedAt" | "assignedAt">;

/** The time that a room waits, is served, or has been closed for. */
export function sinceOf(room: Dated): string {
  if (room.status === "QUEUED") return room.queuedAt ?? room.startedAt;
  if (room.status === "CLOSED") return room.closedAt ?? room.startedAt;
  return room.assignedAt ?? room.startedAt;
}

/** The time since a moment, by the server's clock. It is written again when it changes. */
export function Elapsed({ since }: { since: string }) {
  const { clock } = useApi();
  const text = useSyncExternalStore(clock.subscribe, () => span(since, clock.read()));
  return (
    <time dateTime={since} title={exact(since)}>
      {text}
    </time>
  );
}

/** A span of time as 12 s, 5 min, 3 h or 2 d. */
export function span(since: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")}`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function exact(time: string): string {
  return new Date(time).toLocaleString();
}

export function agentName(room: Pick<RoomRowFragment, "servedBy">): string {
  const user = room.servedBy?.user;
  return user ? (user.name ?? user.username) : "";
}
