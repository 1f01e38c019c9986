import type { ListChange, RoomListRowFragment } from "../../gql/graphql";

export type ListedRoom = RoomListRowFragment;
export type Comparer = (one: ListedRoom, other: ListedRoom) => number;

export interface ListMessage {
  cursor: string;
  change: ListChange;
  roomId?: string | null;
  room?: ListedRoom | null;
  totalCount?: number | null;
}

/** The rooms of one `roomList`, in its order. */
export class LiveList {
  rooms: ListedRoom[] = [];
  /** How many rooms match, also beyond the list. Null if there are too many to count. */
  totalCount: number | null = 0;
  /** Whether the list has been complete once. */
  isReady = false;
  /** Another subscription continues after it. Undefined until the list is complete. */
  cursor: string | undefined;
  private present: ListedRoom[] = [];

  constructor(private readonly compare: Comparer) {}

  /** Call it before each subscription: what an interrupted one sent of a list that was not complete is dropped. */
  begin(): void {
    this.present = [];
  }

  /** The rooms, and before the list has been complete once, its first rooms that have arrived. */
  get shown(): ListedRoom[] {
    return this.isReady ? this.rooms : [...this.present];
  }

  apply({ change, cursor, roomId, room, totalCount }: ListMessage): void {
    if (change === "PRESENT") {
      if (room) this.present.push(room);
      this.cursor = undefined;
      return;
    }
    if (change === "READY") {
      if (this.cursor === undefined || totalCount === 0) this.rooms = this.present;
      this.present = [];
      this.totalCount = totalCount ?? null;
      this.isReady = true;
    }
    this.cursor = cursor;
    if (typeof totalCount === "number") this.totalCount = totalCount;
    if (roomId) this.rooms = this.rooms.filter(({ id }) => id !== roomId);
    if (change !== "LEFT" && room) this.rooms = [...this.rooms, room].sort(this.compare);
  }
}
