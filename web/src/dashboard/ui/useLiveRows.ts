import type { OperationVariables, TypedDocumentNode } from "@apollo/client";
import { useEffect, useRef, useState } from "react";
import type { EventType } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useMay } from "../session/session";
import { LiveRowsReader } from "./liveRowsReader";

export interface LiveRows<Row> {
  /** Null until they are known. */
  rows: Row[] | null;
  /** The number of rows of the whole list. Null if it is not known. */
  totalCount: number | null;
  loading: boolean;
  problem: string | null;
  /** Shows more rows. Null if all are shown. */
  more: (() => void) | null;
  /** Reads the rows again, for changes of the page's own. */
  refresh: () => Promise<void>;
}

/** What a page of a list has, and where the list goes on. */
export interface RowsPage<Row> {
  rows: readonly Row[];
  totalCount?: number | null;
  next?: string | null;
}

export interface RowsQuery<Data, Variables extends OperationVariables, Row> {
  /** Has the variable `events`: whether to select `eventCursor`. A paged list has `after`, too. */
  document: TypedDocumentNode<Data, Variables>;
  variables: Omit<Variables, "after" | "events">;
  /** The rows in an answer. Null: the token may not read them. */
  page: (data: Data) => RowsPage<Row> | null;
  /** How many rows are read at first, if not a hundred. */
  atFirst?: number;
  /** The events after which the rows are read again. */
  types: EventType[];
}

interface State<Row> {
  rows: Row[] | null;
  totalCount: number | null;
  hasMore: boolean;
  loading: boolean;
  problem: string | null;
}

const EMPTY = { rows: null, totalCount: null, hasMore: false, loading: true, problem: null };

/** The rows of a list, kept up to date by the events of the given types. Interruptions leave no gap. */
export function useLiveRows<Data, Variables extends OperationVariables, Row>(
  query: RowsQuery<Data, Variables, Row>,
): LiveRows<Row> {
  const { client } = useApi();
  const live = useMay("events:read");
  const [state, setState] = useState<State<Row>>(EMPTY);
  const reader = useRef<LiveRowsReader<Data, Variables, Row> | null>(null);
  const key = JSON.stringify([query.variables, query.types]);
  useEffect(() => {
    const started = new LiveRowsReader(client, query, live, (change) => setState((before) => ({ ...before, ...change })));
    reader.current = started;
    setState((before) => ({ ...before, loading: true }));
    started.start();
    return () => started.stop();
    // `key` stands for the query, which is a new object with each rendering.
  }, [client, live, key]);
  return {
    ...state,
    more: state.hasMore ? () => void reader.current?.more() : null,
    refresh: async () => reader.current?.read(),
  };
}
