import { useApolloClient } from "@apollo/client/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { RoomsPageDocument, type RoomFilter, type RoomOrder } from "../../gql/graphql";
import { useRoomList } from "../client/hooks";
import type { Comparer, ListedRoom } from "../client/liveList";
import { refusalOf } from "../client/refusal";
import { Tail } from "./tail";

/** How many rooms one live list has at most, and one page. */
const WINDOW = 200;
const TOGETHER_MILLISECONDS = 300;
const RETRY_MILLISECONDS = 2_000;

export interface PagedRooms {
  /** The rooms that are known, from the start of the list. */
  rooms: ListedRoom[];
  /** How many rooms the list has. */
  count: number;
  ready: boolean;
  problem: string | null;
  /** Reads pages until the rooms up to this number are known. */
  need: (end: number) => void;
  /** Keeps the rooms with these ids up to date, although they are beyond the live list. */
  watch: (ids: string[]) => void;
}

/** A list of any length: the first rooms and the visible ones are live, the others are read when they are needed. */
export function usePagedRooms(
  where: RoomFilter | null,
  orderBy: RoomOrder,
  compare: Comparer,
  messages: boolean,
): PagedRooms {
  const client = useApolloClient();
  const key = JSON.stringify([where, orderBy, messages]);
  const [, setVersion] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const tail = useMemo(() => new Tail(), [key]);
  const version = useRef(0);
  const changed = useCallback(() => setVersion((version.current += 1)), []);
  const reading = useRef<Tail | null>(null);
  const unsure = useRef(new Set<string>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), [key]);

  async function read(filter: RoomFilter | null, after?: string) {
    const variables = { where: filter, orderBy, first: WINDOW, after, messages };
    const { data } = await client.query({ query: RoomsPageDocument, variables, fetchPolicy: "no-cache" });
    return data?.rooms ?? { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };
  }

  // A room that leaves a full live list may have become another room's neighbour, or not match any more.
  function left(room: ListedRoom) {
    if (!tail.started) return;
    tail.put(room);
    unsure.current.add(room.id);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const ids = [...unsure.current].slice(0, WINDOW);
      unsure.current.clear();
      read({ and: [where!, { ids }] }).then(
        ({ nodes }) => {
          tail.check(ids, nodes);
          changed();
        },
        () => undefined,
      );
    }, TOGETHER_MILLISECONDS);
  }

  const window = useRoomList({ where, orderBy, compare, first: WINDOW, messages, left });
  const [watched, watch] = useState<string[]>([]);
  useEffect(() => watch([]), [key]);
  const visible = useRoomList({
    where: where === null || watched.length === 0 ? null : { and: [where, { ids: watched }] },
    orderBy,
    compare,
    first: WINDOW,
    messages,
  });
  useEffect(() => {
    if (!visible.ready) return;
    tail.check(watched, visible.rooms);
    changed();
  }, [visible.rooms]);

  const beyond = useMemo(() => [...tail.rooms.values()].sort(compare), [tail, version.current, compare]);
  const rooms = useMemo(() => {
    const known = new Set(window.rooms.map(({ id }) => id));
    return beyond.length === 0 ? window.rooms : [...window.rooms, ...beyond.filter(({ id }) => !known.has(id))];
  }, [window.rooms, beyond]);
  const total = window.totalCount;
  const complete = window.ready && (tail.complete || (!tail.started && window.rooms.length < WINDOW));

  const wanted = useRef(0);
  function need(end: number) {
    wanted.current = Math.max(end, wanted.current);
    if (complete || !window.ready || reading.current === tail || rooms.length >= wanted.current) return;
    reading.current = tail;
    read(where, tail.cursor)
      .then(
        (page) => {
          tail.append(page);
          setProblem(null);
        },
        (error: unknown) => {
          setProblem(refusalOf(error).message);
          return new Promise((resume) => setTimeout(resume, RETRY_MILLISECONDS));
        },
      )
      .finally(() => {
        if (reading.current === tail) reading.current = null;
        changed();
      });
  }
  useEffect(() => {
    wanted.current = 0;
  }, [key]);
  // One page may not be all that is needed.
  useEffect(() => {
    if (wanted.current > 0) need(wanted.current);
  }, [version.current, window.ready]);

  return {
    rooms,
    count: complete ? rooms.length : Math.max(rooms.length, total ?? rooms.length + 1),
    ready: window.ready,
    problem: window.problem ?? problem,
    need,
    watch,
  };
}
