import type { IEnvironment, RecordProxy, RecordSourceProxy } from "relay-runtime";

/** The fields of a room that `revision` does not count. They are taken from the answer that came last. */
const NOT_COUNTED = /^(messages|lastMessage|lastMessageAt|events|assignments|appData)\b/;

/** Keeps the room of the store if its `revision` is higher than that of the answer. Call it in every updater. */
export function keepNewerRoom(environment: IEnvironment, store: RecordSourceProxy, id: string): void {
  // The source has the room as it was before the answer, `store` has it with the fields of the answer.
  const before = environment.getStore().getSource().get(id);
  const room = store.get(id);
  if (!before || !room || Number(before.revision) <= Number(room.getValue("revision"))) return;
  for (const [key, value] of Object.entries(before)) {
    if (key.startsWith("__") || NOT_COUNTED.test(key)) continue;
    const { __ref: one, __refs: several } = Object(value) as { __ref?: string; __refs?: string[] };
    const records = (several ?? []).map((other) => store.get(other)) as RecordProxy[];
    if (one !== undefined) room.setLinkedRecord(store.get(one) as RecordProxy, key);
    else if (several !== undefined) room.setLinkedRecords(records, key);
    else room.setValue(value as string, key);
  }
}
