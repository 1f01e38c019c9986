import { RoutableAgentsDocument, type EventType } from "../../gql/graphql";
import { useLiveRows } from "../ui/useLiveRows";

const TYPES: EventType[] = [
  "AGENT_ADDED",
  "AGENT_UPDATED",
  "AGENT_REMOVED",
  "AGENT_STATUS_CHANGED",
  "AGENT_ASSIGNED",
  "AGENT_UNASSIGNED",
  "ROOM_HELD",
  "ROOM_RESUMED",
  "USER_UPDATED",
  "USER_PRESENCE_CHANGED",
];

const COUNTED = 2_000;

/** How many agents of each department can take a room now. Null: not known, or too many to count. */
export function useRoutableCounts(): Map<string, number> | null {
  const { rows, more } = useLiveRows({
    document: RoutableAgentsDocument,
    variables: {},
    page: ({ agents }) =>
      agents && { rows: agents.nodes, next: agents.pageInfo.hasNextPage ? agents.pageInfo.endCursor : null },
    types: TYPES,
    atFirst: COUNTED,
  });
  if (rows === null || more !== null) return null;
  const counts = new Map<string, number>();
  for (const { departments } of rows) for (const { id } of departments) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
