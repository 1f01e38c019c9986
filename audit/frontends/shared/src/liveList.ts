/** A message of the subscription `roomList`. */
export interface ListMessage<Room> {
  /** PRESENT, READY, ENTERED, CHANGED or LEFT. */
  change: string;
  cursor: string;
  roomId?: string | null;
  room?: Room | null;
  totalCount?: number | null;
}

/** The rooms of one `roomList`. `compare` is the order that the subscription asks for. */
export class LiveList<Room extends { id: string }> {
  rooms: Room[] = [];
  /** Another subscription continues after it. Undefined until the list is complete. */
  cursor: string | undefined = undefined;
  private present: Room[] = [];
  private readonly compare: (one: Room, other: Room) => number;

  constructor(compare: (one: Room, other: Room) => number) {
    this.compare = compare;
  }

  /** Call it before each subscription: what an interrupted one sent of a list that was not complete is dropped. */
  begin(): void {
    this.present = [];
  }

  /** Applies a message. Returns whether `rooms` is the list as of the message. */
  apply({ change, cursor, roomId, room, totalCount }: ListMessage<Room>): boolean {
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
    if (roomId) this.rooms = this.rooms.filter(({ id }) => id !== roomId);
    if (change !== "LEFT" && room) this.rooms = [...this.rooms, room].sort(this.compare);
    return true;
  }
}

/** The order of a list without `orderBy`: the room that started first comes first. */
export function byStart(one: { id: string; startedAt: string }, other: { id: string; startedAt: string }): number {
  return Date.parse(one.startedAt) - Date.parse(other.startedAt) || (one.id < other.id ? -1 : 1);
}
