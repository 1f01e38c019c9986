import { InMemoryCache, type Cache, type Reference } from "@apollo/client";

type Stored = Record<string, unknown>;

/** The fields of a room that `revision` does not count. They are taken from the answer that came last. */
const NOT_COUNTED = /^(messages|lastMessage|lastMessageAt|events|assignments|appData)\b/;

/** A cache that keeps the room with the higher `revision`, in whatever order answers arrive. */
export class RoomCache extends InMemoryCache {
  override write(options: Cache.WriteOptions): Reference | undefined {
    const newer = new Map<string, Stored>();
    for (const room of roomsIn(options.result)) {
      const id = this.identify({ __typename: "Room", id: room.id as string });
      const stored = id === undefined ? {} : this.fieldsOf(id);
      if (id !== undefined && Number(stored.revision) > Number(room.revision)) newer.set(id, stored);
    }
    let written: Reference | undefined;
    this.performTransaction(() => {
      written = super.write(options);
      for (const [id, stored] of newer)
        this.modify({
          id,
          fields: (value, { storeFieldName }) =>
            storeFieldName in stored && !NOT_COUNTED.test(storeFieldName) ? stored[storeFieldName] : value,
        });
    });
    return written;
  }

  private fieldsOf(id: string): Stored {
    const stored: Stored = {};
    this.modify({
      id,
      fields: (value, { storeFieldName }) => {
        stored[storeFieldName] = value;
        return value;
      },
      broadcast: false,
    });
    return stored;
  }
}

/** Every room with a revision in an answer. */
function* roomsIn(value: unknown): Generator<Stored> {
  if (Array.isArray(value)) for (const item of value) yield* roomsIn(item);
  else if (typeof value === "object" && value !== null) {
    const object = value as Stored;
    if (object.__typename === "Room" && "id" in object && "revision" in object) yield object;
    for (const field of Object.values(object)) yield* roomsIn(field);
  }
}
