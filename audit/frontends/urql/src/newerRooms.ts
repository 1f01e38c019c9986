import { mapExchange, type Exchange } from "@urql/core";

type Fields = Record<string, unknown>;

/** The fields of a room that `revision` does not count. They are taken from the answer that came last. */
const NOT_COUNTED = /^(messages|lastMessage|lastMessageAt|events|assignments|appData)$/;

/** Replaces rooms in answers by those of earlier answers that have a higher `revision`. */
export function keepNewerRooms(): Exchange {
  const newest = new Map<unknown, Fields>();

  function keep(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    for (const field of Object.values(value)) keep(field);
    const room = value as Fields;
    if (room.__typename !== "Room" || !("revision" in room)) return;
    const earlier = newest.get(room.id) ?? room;
    if (Number(earlier.revision) > Number(room.revision))
      for (const name of Object.keys(room)) {
        if (name in earlier && !NOT_COUNTED.test(name)) room[name] = earlier[name];
      }
    newest.set(room.id, { ...earlier, ...room });
  }

  return mapExchange({
    onResult(result) {
      keep(result.data);
    },
  });
}
