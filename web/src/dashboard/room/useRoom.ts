import { useApolloClient, useQuery } from "@apollo/client/react";
import { useEffect, useRef, useState } from "react";
import {
  RoomDocument,
  RoomEventsDocument,
  RoomHistoryDocument,
  RoomListDocument,
  RoomMessagesDocument,
  type RoomDetailsFragment,
  type RoomEventsSubscription,
  type RoomHistoryEventFragment,
  type RoomMessageFragment,
} from "../../gql/graphql";
import { follow } from "../client/follow";
import { useApi } from "../client/hooks";
import { useMay } from "../session/session";
import { useLog, type LogState } from "./useLog";

const PAGE = 50;
/** Changes that come within this time are read together. */
const TOGETHER_MILLISECONDS = 100;

export type RoomDetails = RoomDetailsFragment;
export type KnownMessage = RoomMessageFragment & { id: string };
export type HistoryEvent = RoomHistoryEventFragment;

export interface RoomState {
  room: RoomDetails | null | undefined;
  loading: boolean;
  problem: string | null;
  messages: LogState<KnownMessage>;
  history: LogState<HistoryEvent>;
  /** Reads the room again. */
  refresh: () => Promise<RoomDetails | null | undefined>;
}

/** A room with its messages and events, kept up to date. */
export function useRoom(id: string): RoomState {
  const client = useApolloClient();
  const { connection } = useApi();
  const mayReadEvents = useMay("events:read");
  const mayReadMessages = useMay("messages:read");
  const { data, error, loading, refetch } = useQuery(RoomDocument, {
    variables: { id, events: mayReadEvents },
    fetchPolicy: "cache-and-network",
    errorPolicy: "all",
  });
  const messages = useLog<KnownMessage>(
    id,
    ({ number }) => number,
    async (before) => {
      const variables = { id, last: PAGE, before };
      const answer = await client.query({ query: RoomMessagesDocument, variables, fetchPolicy: "no-cache" });
      return answer.data?.room?.messages;
    },
  );
  const history = useLog<HistoryEvent>(
    id,
    ({ sequence }) => sequence,
    async (before) => {
      const variables = { id, last: PAGE, before };
      const answer = await client.query({ query: RoomHistoryDocument, variables, fetchPolicy: "no-cache" });
      return answer.data?.room?.events;
    },
  );

  const [epoch, setEpoch] = useState(0);
  const known = !loading && data !== undefined && data.room !== null;
  const cursor = useRef<string | undefined>(undefined);
  if (known && cursor.current === undefined) cursor.current = data.eventCursor ?? undefined;
  const latest = useRef({ refetch, messages, history });
  latest.current = { refetch, messages, history };

  useEffect(() => {
    if (!known) return;
    let after = cursor.current;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void latest.current.refetch().catch(() => undefined);
      }, TOGETHER_MILLISECONDS);
    };
    if (mayReadMessages) void latest.current.messages.restart();
    if (mayReadEvents) void latest.current.history.restart();

    const end =
      after !== undefined
        ? follow(client, {
            document: RoomEventsDocument,
            variables: () => ({ where: { ids: [id] }, after }),
            next: ({ events }) => {
              after = events.cursor;
              latest.current.history.put(events);
              const message = messageOf(events);
              if (message) latest.current.messages.put(message);
              else refresh();
            },
            refused: ({ code }) => {
              // The events since then are not in the log any more: everything is read again.
              if (code === "CURSOR_EXPIRED")
                void latest.current.refetch().then(({ data: present }) => {
                  cursor.current = present?.eventCursor ?? undefined;
                  setEpoch((before) => before + 1);
                });
            },
          })
        : follow(client, {
            document: RoomListDocument,
            variables: () => ({ where: { ids: [id] }, first: 1, messages: false }),
            next: ({ roomList }) => {
              if (roomList.change === "PRESENT") return;
              refresh();
              if (mayReadMessages) void latest.current.messages.restart();
            },
          });
    return () => {
      end();
      clearTimeout(timer);
      cursor.current = undefined;
    };
  }, [client, connection, id, known, mayReadEvents, mayReadMessages, epoch]);

  return {
    room: data?.room,
    loading,
    problem: error?.message ?? null,
    messages,
    history,
    refresh: async () => (await refetch()).data?.room,
  };
}

function messageOf(event: RoomEventsSubscription["events"]): KnownMessage | null {
  if (!("message" in event)) return null;
  const { messageId, ...message } = event.message;
  return { ...message, id: messageId } as KnownMessage;
}
