import { graphql, requestSubscription, type IEnvironment, type RecordProxy } from "relay-runtime";
import type { watchRoomsQuery$variables } from "./__generated__/watchRoomsQuery.graphql";
import type { watchRoomsSubscription } from "./__generated__/watchRoomsSubscription.graphql";
import { LiveList, byStart } from "./liveList";
import { keepNewerRoom } from "./newerRoom";

export const roomsQuery = graphql`
  query watchRoomsQuery($where: RoomFilter, $first: Int!) {
    rooms(where: $where, first: $first) {
      nodes {
        id
        ...watchRooms_room @relay(mask: false)
      }
    }
  }
`;

export const roomFragment = graphql`
  fragment watchRooms_room on Room {
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

const listSubscription = graphql`
  subscription watchRoomsSubscription($where: RoomFilter, $first: Int!, $after: Cursor) {
    roomList(where: $where, first: $first, after: $after) {
      cursor
      change
      roomId
      room {
        id
        ...watchRooms_room @relay(mask: false)
      }
      totalCount
    }
  }
`;

/** Keeps the answer of `roomsQuery` in the store up to date, until the function that it returns is called. */
export function watchRooms(environment: IEnvironment, variables: watchRoomsQuery$variables): () => void {
  const list = new LiveList<{ id: string; startedAt: string }>(byStart);
  let close = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    list.begin();
    // Until the list is complete, nothing refers to its rooms.
    const hold = environment.getStore().holdGC();
    const subscription = requestSubscription<watchRoomsSubscription>(environment, {
      subscription: listSubscription,
      variables: { ...variables, after: list.cursor },
      updater(store, data) {
        if (!data) return;
        if (data.roomList.roomId) keepNewerRoom(environment, store, data.roomList.roomId);
        if (!list.apply(data.roomList)) return;
        const nodes = list.rooms.map(({ id }) => store.get(id)) as RecordProxy[];
        store.getRoot().getLinkedRecord("rooms", variables)?.setLinkedRecords(nodes, "nodes");
        hold.dispose();
      },
      onError: again,
      onCompleted: again,
    });
    close = () => {
      subscription.dispose();
      hold.dispose();
    };
  }

  function again(): void {
    close();
    timer = setTimeout(open, 1_000 + 1_000 * Math.random());
  }

  open();
  return () => {
    clearTimeout(timer);
    close();
  };
}
