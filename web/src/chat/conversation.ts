import type { ChatEventsSubscription, ChatMessageFragment, OpenChatQuery, RoomStatus } from "../gql/graphql";

export type Line = ChatMessageFragment & { id: string };

/** The visitor's last room and its messages, in the order of their numbers. */
export interface Conversation {
  roomId: string | null;
  status: RoomStatus | null;
  agent: string | null;
  lines: Line[];
}

export const NOTHING: Conversation = { roomId: null, status: null, agent: null, lines: [] };

export function opened({ rooms }: OpenChatQuery): Conversation {
  const room = rooms?.nodes[0];
  if (!room) return NOTHING;
  return {
    roomId: room.id,
    status: room.status,
    agent: room.servedBy?.user.name ?? null,
    lines: (room.messages?.nodes ?? []) as Line[],
  };
}

/** The conversation after an event. An event that was applied before changes nothing. */
export function applied(before: Conversation, event: ChatEventsSubscription["events"]): Conversation {
  if (!("room" in event)) return before;
  const { room } = event;
  if (event.type === "ROOM_STARTED" && room.roomId !== before.roomId)
    return { ...NOTHING, roomId: room.roomId, status: room.status };
  if (room.roomId !== before.roomId) return before;
  const after = { ...before, status: room.status, agent: room.servedBy?.user.name ?? null };
  return "message" in event ? withLine(after, { ...event.message, id: event.message.messageId } as Line) : after;
}

export function withLine(before: Conversation, line: Line): Conversation {
  const others = before.lines.filter(({ id }) => id !== line.id);
  return { ...before, lines: [...others, line].sort((one, other) => one.number - other.number) };
}
