import { createContext, useContext, useEffect, useState } from "react";
import {
  RoomCountsDocument,
  RoomListDocument,
  type RoomCountsSubscription,
  type RoomFilter,
  type RoomGrouping,
  type RoomOrder,
  type RoomRowFragment,
} from "../../gql/graphql";
import type { Api } from "./client";
import { follow } from "./follow";
import { LiveList } from "./liveList";

export const ApiContext = createContext<Api | null>(null);

export function useApi(): Api {
  const api = useContext(ApiContext);
  if (api === null) throw new Error("ApiContext has no value.");
  return api;
}

export interface RoomListState {
  rooms: RoomRowFragment[];
  totalCount: number;
  ready: boolean;
  problem: string | null;
}

const EMPTY: RoomListState = { rooms: [], totalCount: 0, ready: false, problem: null };

/** The rooms of a filter, kept up to date. `compare` is the order that `orderBy` asks for. */
export function useRoomList(
  where: RoomFilter,
  orderBy: RoomOrder,
  compare: (one: RoomRowFragment, other: RoomRowFragment) => number,
  first = 200,
): RoomListState {
  const { client, connection } = useApi();
  const [state, setState] = useState(EMPTY);
  const key = JSON.stringify([where, orderBy, first]);
  useEffect(() => {
    const list = new LiveList(compare);
    setState(EMPTY);
    const end = follow(client, {
      document: RoomListDocument,
      variables: () => {
        list.begin();
        connection.startsBehind(list);
        return { where, orderBy, first, after: list.cursor };
      },
      next: ({ roomList }) => {
        const ready = list.apply(roomList);
        if (roomList.change === "READY") connection.caughtUp(list);
        if (ready) setState({ rooms: list.rooms, totalCount: list.totalCount, ready, problem: null });
      },
      cached: true,
      refused: (problem) => setState((before) => ({ ...before, problem })),
    });
    return () => {
      end();
      connection.caughtUp(list);
    };
    // `key` stands for the arguments, which are new objects with each rendering.
  }, [client, connection, key]);
  return state;
}

export type CountGroup = RoomCountsSubscription["roomCounts"]["groups"][number];

/** The groups of `roomCounts`, kept up to date. Null until they are known. */
export function useRoomCounts(by: RoomGrouping[], where?: RoomFilter): CountGroup[] | null {
  const { client, connection } = useApi();
  const [groups, setGroups] = useState<CountGroup[] | null>(null);
  const key = JSON.stringify([by, where]);
  useEffect(() => {
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
    });
    return () => {
      end();
      connection.caughtUp(subscription);
    };
    // `key` stands for the arguments, which are new objects with each rendering.
  }, [client, connection, key]);
  return groups;
}

/** The time, again each second, for waiting times. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
