import type { ListedRoom } from "../client/liveList";

export interface Page {
  nodes: ListedRoom[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

/** The rooms that were read page by page, for what is beyond the live list. */
export class Tail {
  readonly rooms = new Map<string, ListedRoom>();
  cursor: string | undefined;
  complete = false;

  get started(): boolean {
    return this.cursor !== undefined || this.complete;
  }

  append({ nodes, pageInfo }: Page): void {
    for (const room of nodes) this.put(room);
    this.cursor = pageInfo.endCursor ?? undefined;
    this.complete = !pageInfo.hasNextPage;
  }

  /** Keeps the room, unless a newer state of it is known. */
  put(room: ListedRoom): void {
    const known = this.rooms.get(room.id);
    if (known === undefined || known.revision <= room.revision) this.rooms.set(room.id, room);
  }

  /** Of the rooms with these ids, only `present` are still in the list. */
  check(ids: string[], present: ListedRoom[]): void {
    const found = new Map(present.map((room) => [room.id, room]));
    for (const id of ids) {
      const room = found.get(id);
      if (room) this.put(room);
      else this.rooms.delete(id);
    }
  }
}
