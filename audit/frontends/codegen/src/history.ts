import type { RoomHistoryQuery } from "./gql/graphql";

type RoomEvent = NonNullable<NonNullable<RoomHistoryQuery["room"]>["events"]>["nodes"][number];

/** One line of a room's history. */
export function describe(event: RoomEvent): string {
  switch (event.__typename) {
    case "RoomStarted":
      return `started: ${event.room.subject}`;
    case "AgentAssigned":
      return `assigned (${event.cause})`;
    case "RoomClosed":
      return `closed: ${event.comment}`;
    default:
      return event.type;
  }
}
