import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import {
  RoomCountsDocument,
  RoomListDocument,
  type RoomCountsSubscription,
  type RoomFilter,
  type RoomGrouping,
  type RoomOrder,
} from "../../gql/graphql";
import type { Api } from "./client";
import { follow } from "./follow";
import { LiveList, type Comparer, type ListedRoom } from "./liveList";

export const ApiContext = createContext<Api | null>(null);

export function useApi(): Api {
  const api = useContext(ApiContext);
  if (api === null) throw new Error("ApiContext has no value.");
  return api;
}

export interface RoomListState {
  rooms: ListedRoom[];
  totalCount: number | null;
  ready: boolean;
  problem: string | null;
}

const EMPTY: RoomListState = { rooms: [], totalCount: 0, ready: false, problem: null };
/** Changes that come within this time are shown together. */
const TOGETHER_MILLISECONDS = 50;

interface RoomListOptions {
  /** Null: nothing is read. */
  where: RoomFilter | null;
  orderBy: RoomOrder;
  /** The order that `orderBy` asks for. */
  compare: Comparer;
  first: number;
  /** Whether the token may read messages. */
  messages: boolean;
  /** Called with a room that has left the list. */
  left?: (room: ListedRoom) => void;
}

/** The rooms of a filter, kept up to date. */
export function useRoomList({ where, orderBy, compare, first, messages, left }: RoomListOptions): RoomListState {
  const { client, connection } = useApi();
  const [state, setState] = useState(EMPTY);
  const key = JSON.stringify([where, orderBy, first, messages]);
  useEffect(() => {
    setState(EMPTY);
    if (where === null) return;
    const list = new LiveList(compare);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      timer = undefined;
      setState({ rooms: list.shown, totalCount: list.totalCount, ready: list.isReady, problem: null });
    };
    const end = follow(client, {
      document: RoomListDocument,
      variables: () => {
        list.begin();
        connection.startsBehind(list);
        return { where, orderBy, first, messages, after: list.cursor };
      },
      next: ({ roomList }) => {
        const before = roomList.change === "LEFT" ? list.rooms.find(({ id }) => id === roomList.roomId) : undefined;
        list.apply(roomList);
        if (before) left?.(roomList.room ?? before);
        if (roomList.change === "READY") connection.caughtUp(list);
        timer ??= setTimeout(show, TOGETHER_MILLISECONDS);
      },
      cached: true,
      refused: ({ message }) => {
        connection.caughtUp(list);
        setState((earlier) => ({ ...earlier, problem: message }));
      },
    });
    return () => {
      end();
      clearTimeout(timer);
      connection.caughtUp(list);
    };
    // `key` stands for the arguments, which are new objects with each rendering.
  }, [client, connection, key]);
  return state;
}

export type CountGroup = RoomCountsSubscription["roomCounts"]["groups"][number];

/** The groups of `roomCounts`, kept up to date. Null until they are known, and without a filter. */
export function useRoomCounts(by: RoomGrouping[], where: RoomFilter | null): CountGroup[] | null {
  const { client, connection } = useApi();
  const [groups, setGroups] = useState<CountGroup[] | null>(null);
  const key = JSON.stringify([by, where]);
  useEffect(() => {
    if (where === null) return setGroups(null);
    const subscription = {};
    const end = follow(client, {
      document: RoomCountsDocument,
      variables: () => {
        connection.startsBehind(subscription);
        return { by, where };
      },
      next: ({ roomCounts }) => {
        connection.caughtUp(subscription);
        setGroups(roomCounts.groups);
      },
      refused: () => connection.caughtUp(subscription),
    });
    return () => {
      end();
      connection.caughtUp(subscription);
    };
    // `key` stands for the arguments, which are new objects with each rendering.
  }, [client, connection, key]);
  return groups;
}

/** The server's time, again each second. */
export function useNow(): number {
  const { clock } = useApi();
  return useSyncExternalStore(clock.subscribe, clock.read);
}
