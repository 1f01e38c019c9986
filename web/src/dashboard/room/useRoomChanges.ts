import { useEffect, useRef } from "react";
import { RoomEventsDocument, type RoomEventsSubscription } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { follow } from "../client/follow";
import { useMay } from "../session/session";
import { addMessage, type KnownMessage } from "./messages";

const KEPT_MESSAGES = 100;

/** Applies what happens in the room after `cursor`: messages at once, everything else by reading the room again. */
export function useRoomChanges(roomId: string, cursor: string | undefined, refetch: () => Promise<unknown>): void {
  const api = useApi();
  const mayReadEvents = useMay("events:read");
  const read = useRef(refetch);
  read.current = refetch;
  const known = cursor !== undefined;
  const first = useRef(cursor);
  if (first.current === undefined) first.current = cursor;

  useEffect(() => {
    if (!known || !mayReadEvents) return;
    const { client } = api;
    let after = first.current;
    const recent = new Map<string, KnownMessage>();

    function remember(message: KnownMessage): void {
      addMessage(client, roomId, message);
      recent.delete(message.id);
      recent.set(message.id, message);
      for (const id of [...recent.keys()].slice(0, -KEPT_MESSAGES)) recent.delete(id);
    }

    const end = follow(client, {
      document: RoomEventsDocument,
      variables: () => ({ where: { ids: [roomId] }, after }),
      next: ({ events }) => {
        after = events.cursor;
        const message = messageOf(events);
        if (message) remember(message);
        // The room may be as it was before a message that has come in the meantime.
        else void read.current().then(() => recent.forEach((one) => addMessage(client, roomId, one)));
      },
    });
    return () => {
      end();
      first.current = undefined;
    };
  }, [api, known, mayReadEvents, roomId]);
}

function messageOf(event: RoomEventsSubscription["events"]): KnownMessage | null {
  if (!("message" in event)) return null;
  const { messageId, ...message } = event.message;
  return { ...message, id: messageId } as KnownMessage;
}
