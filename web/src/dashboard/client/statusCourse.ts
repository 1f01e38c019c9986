import type { EventType, RoomStatus } from "../../gql/graphql";

/** An event of the log, as far as it says what became of a room. */
interface LoggedEvent {
  type: EventType;
  occurredAt: string;
  room?: { roomId: string; startedAt: string };
}

type State = RoomStatus | null;

interface Transition {
  time: number;
  roomId: string;
  startedAt: number;
  /** The status that the room has before the event, if no earlier event is known. */
  before: State;
  after: State;
}

/** How many rooms waited and were served, and how long the longest wait was, at equal distances up to the present. */
export interface Course {
  waiting: number[];
  served: number[];
  longestSeconds: number[];
}

export interface Present {
  waiting: number;
  served: number;
  /** Since when the room waits that waits longest. */
  oldest: number | null;
}

export const SPAN_MILLISECONDS = 600_000;
export const STEP_MILLISECONDS = 5_000;
const KEPT = 5_000;

/** A room has no open status before it is started, between two assignments, and after it is closed. */
const TRANSITIONS: Partial<Record<EventType, [before: State, after: State]>> = {
  ROOM_STARTED: [null, null],
  ROOM_QUEUED: [null, "QUEUED"],
  ROOM_TRANSFERRED: ["QUEUED", null],
  AGENT_ASSIGNED: ["QUEUED", "ASSIGNED"],
  AGENT_UNASSIGNED: ["ASSIGNED", null],
  ROOM_HELD: ["ASSIGNED", "ON_HOLD"],
  ROOM_RESUMED: ["ON_HOLD", "ASSIGNED"],
  ROOM_CLOSED: ["QUEUED", null],
};

/** The course of the queue in the last ten minutes, from the events of the log. */
export class StatusCourse {
  /** Whether the log has been read back for the whole time, or to its beginning. */
  isWhole = false;
  private transitions: Transition[] = [];

  add(event: LoggedEvent): void {
    const found = transitionOf(event);
    if (found === null) return;
    this.transitions.push(found);
    if (this.transitions.length > 2 * KEPT) this.transitions = this.transitions.slice(-KEPT);
  }

  /** Some events after those that are known are missing. */
  forget(): void {
    this.isWhole = false;
    this.transitions = [];
  }

  /** Adds events that happened before all others, in their order. */
  addEarlier(events: readonly LoggedEvent[]): void {
    const found = events.map(transitionOf).filter((one) => one !== null);
    if (found.length > 0) this.transitions = [...found, ...this.transitions].slice(-KEPT);
  }

  /** The course up to `now`. It is shorter than ten minutes if the log has not been read for so long. */
  upTo(now: number, present: Present): Course {
    this.transitions = this.transitions.filter(({ time }) => time > now - SPAN_MILLISECONDS);
    const steps = changesIn(this.transitions);
    const known = this.isWhole && steps.length < KEPT ? now - SPAN_MILLISECONDS : (steps[0]?.time ?? now);
    const count = Math.floor((now - known) / STEP_MILLISECONDS) + 1;
    const times = Array.from({ length: count }, (_, index) => now - (count - 1 - index) * STEP_MILLISECONDS);
    const left = waitsIn(steps);
    return {
      waiting: countsAt(times, steps, "QUEUED", present.waiting),
      served: countsAt(times, steps, "ASSIGNED", present.served),
      longestSeconds: times.map((time) => longestAt(time, left, present.oldest)),
    };
  }
}

interface Step extends Transition {
  /** Since when the room had waited. Without an earlier event in these minutes, since its start. */
  since: number;
}

/** Each transition with the status that the room really had before it. */
function changesIn(transitions: readonly Transition[]): Step[] {
  const last = new Map<string, Step>();
  return transitions.map((one) => {
    const earlier = last.get(one.roomId);
    const before = earlier ? earlier.after : one.before;
    const waited = earlier?.before === "QUEUED" && earlier.after === "QUEUED" ? earlier.since : earlier?.time;
    const step = { ...one, before, since: waited ?? one.startedAt };
    last.set(one.roomId, step);
    return step;
  });
}

/** How many rooms had the status at each time: the present number without what was changed since then. */
function countsAt(times: readonly number[], steps: readonly Step[], status: RoomStatus, present: number): number[] {
  const counts: number[] = [];
  let count = present;
  let index = steps.length;
  for (const time of [...times].reverse()) {
    for (; index > 0 && steps[index - 1]!.time > time; index -= 1) {
      const { before, after } = steps[index - 1]!;
      count += Number(before === status) - Number(after === status);
    }
    counts.push(Math.max(0, count));
  }
  return counts.reverse();
}

interface Wait {
  since: number;
  until: number;
}

function waitsIn(steps: readonly Step[]): Wait[] {
  return steps.filter(({ before }) => before === "QUEUED").map(({ since, time }) => ({ since, until: time }));
}

function longestAt(time: number, waits: readonly Wait[], oldest: number | null): number {
  let since = oldest !== null && oldest < time ? oldest : time;
  for (const wait of waits) if (wait.until > time && wait.since < since) since = wait.since;
  return Math.floor((time - since) / 1_000);
}

function transitionOf({ type, occurredAt, room }: LoggedEvent): Transition | null {
  const statuses = TRANSITIONS[type];
  if (!statuses || !room) return null;
  const [before, after] = statuses;
  return { time: Date.parse(occurredAt), roomId: room.roomId, startedAt: Date.parse(room.startedAt), before, after };
}
