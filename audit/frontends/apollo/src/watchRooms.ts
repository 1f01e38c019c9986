import { gql, type ApolloClient } from "@apollo/client";
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

export const ROOMS = gql`
  query Rooms($where: RoomFilter, $first: Int) {
    rooms(where: $where, first: $first) {
      nodes {
        ...RoomRow
      }
    }
  }
  ${ROOM_ROW}
`;

const ROOM_IDS = gql`
  query RoomIds($where: RoomFilter, $first: Int) {
    rooms(where: $where, first: $first) {
      nodes {
        id
      }
    }
  }
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

/** Keeps the answer of `ROOMS` in the cache up to date, until the function that it returns is called. */
export function watchRooms(client: ApolloClient, variables: RoomsVariables): () => void {
  const list = new LiveList<RoomRow>(byStart);
  let close = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    list.begin();
    const subscription = client
      .subscribe<{ roomList: ListMessage<RoomRow> }>({
        query: ROOM_LIST,
        variables: { ...variables, after: list.cursor },
      })
      .subscribe({ next: ({ data }) => data && show(data.roomList), error: again, complete: again });
    close = () => subscription.unsubscribe();
  }

  // The client has written the room to the cache. What remains is which rooms the list has.
  function show(message: ListMessage<RoomRow>): void {
    if (!list.apply(message)) return;
    const nodes = list.rooms.map(({ id }) => ({ __typename: "Room", id }));
    client.writeQuery({ query: ROOM_IDS, variables, data: { rooms: { __typename: "RoomConnection", nodes } } });
  }

  function again(): void {
    timer = setTimeout(open, 1_000 + 1_000 * Math.random());
  }

  open();
  return () => {
    clearTimeout(timer);
    close();
  };
}
