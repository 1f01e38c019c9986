import { gql, type Client } from "@urql/core";
import { onEnd, pipe, subscribe } from "wonka";
import type { UpdateResolver } from "@urql/exchange-graphcache";
import { LiveList, byStart, type ListMessage } from "./liveList";

export interface RoomRow {
  id: string;
  revision: number;
  status: "QUEUED" | "ASSIGNED" | "ON_HOLD" | "CLOSED";
  subject: string | null;
  startedAt: string;
  visitor: { id: string; name: string | null };
}

export interface RoomsVariables {
  where: { status?: RoomRow["status"][]; departmentId?: string };
  first: number;
}

const ROOM_ROW = gql`
  fragment RoomRow on Room {
    id
    revision
    status
    subject
    startedAt
    visitor {
      id
      name
    }
  }
`;

export const ROOMS = gql<{ rooms: { nodes: RoomRow[] } | null }, RoomsVariables>`
  query Rooms($where: RoomFilter, $first: Int) {
    rooms(where: $where, first: $first) {
      nodes {
        ...RoomRow
      }
    }
  }
  ${ROOM_ROW}
`;

const ROOM_LIST = gql`
  subscription RoomList($where: RoomFilter, $first: Int!, $after: Cursor) {
    roomList(where: $where, first: $first, after: $after) {
      cursor
      change
      roomId
      room {
        ...RoomRow
      }
      totalCount
    }
  }
  ${ROOM_ROW}
`;

const lists = new Map<string, LiveList<RoomRow>>();

function listOf({ where, first }: RoomsVariables): LiveList<RoomRow> {
  const key = JSON.stringify([where, first]);
  const list = lists.get(key) ?? new LiveList<RoomRow>(byStart);
  lists.set(key, list);
  return list;
}

/** Writes the rooms of a list into the answer of `ROOMS`. The cache calls it with every message of `roomList`. */
export const showList: UpdateResolver = (result, args, cache) => {
  const { where, first } = args as unknown as RoomsVariables;
  const list = listOf({ where, first });
  if (!list.apply(result.roomList as unknown as ListMessage<RoomRow>)) return;
  const connection = cache.resolve("Query", "rooms", { where, first });
  const nodes = list.rooms.map(({ id }) => cache.keyOfEntity({ __typename: "Room", id }));
  if (typeof connection === "string") cache.link(connection, "nodes", nodes);
};

/** Keeps the answer of `ROOMS` in the cache up to date, until the function that it returns is called. */
export function watchRooms(client: Client, variables: RoomsVariables): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let close = () => {};

  function open(): void {
    const list = listOf(variables);
    list.begin();
    const subscription = pipe(
      client.subscription(ROOM_LIST, { ...variables, after: list.cursor }),
      onEnd(again),
      subscribe(({ error }) => error && again()),
    );
    close = () => subscription.unsubscribe();
  }

  function again(): void {
    close();
    clearTimeout(timer);
    timer = setTimeout(open, 1_000 + 1_000 * Math.random());
  }

  open();
  return () => {
    close();
    clearTimeout(timer);
  };
}
