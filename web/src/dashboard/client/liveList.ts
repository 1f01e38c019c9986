import type { ListChange, RoomRowFragment } from "../../gql/graphql";

export interface ListMessage {
  cursor: string;
  change: ListChange;
  roomId?: string | null;
  room?: RoomRowFragment | null;
  totalCount?: number | null;
}

/** The ids of the rooms of one `roomList`, in its order. */
export class LiveList {
  rooms: RoomRowFragment[] = [];
  totalCount = 0;
  /** Another subscription continues after it. Undefined until the list is complete. */
  cursor: string | undefined;
  private present: RoomRowFragment[] = [];

  constructor(private readonly compare: (one: RoomRowFragment, other: RoomRowFragment) => number) {}

  /** Call it before each subscription: what an interrupted one sent of a list that was not complete is dropped. */
  begin(): void {
    this.present = [];
  }

  /** Applies a message. Returns whether `rooms` is the list as of the message. */
  apply({ change, cursor, roomId, room, totalCount }: ListMessage): boolean {
    if (change === "PRESENT") {
      if (room) this.present.push(room);
      this.cursor = undefined;
      return false;
    }
    if (change === "READY" && (this.cursor === undefined || totalCount === 0)) {
      this.rooms = this.present;
      this.present = [];
    }
    this.cursor = cursor;
    if (typeof totalCount === "number") this.totalCount = totalCount;
    if (roomId) this.rooms = this.rooms.filter(({ id }) => id !== roomId);
    if (change !== "LEFT" && room) this.rooms = [...this.rooms, room].sort(this.compare);
    return true;
  }
}
