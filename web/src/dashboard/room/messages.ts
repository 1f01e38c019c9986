import type { ApolloClient } from "@apollo/client";
import { RoomDocument, type RoomMessageFragment } from "../../gql/graphql";

export type KnownMessage = RoomMessageFragment & { id: string };

/** Adds the message to the room's query, or replaces it there. */
export function addMessage(client: ApolloClient, roomId: string, message: KnownMessage): void {
  client.cache.updateQuery({ query: RoomDocument, variables: { id: roomId, events: false, messages: true } }, (data) => {
    const messages = data?.room?.messages;
    if (!data?.room || !messages) return undefined;
    const others = messages.nodes.filter(({ id }) => id !== message.id);
    const added = { ...message, __typename: "Message" as const };
    const nodes = [...others, added].sort((one, other) => one.number - other.number);
    return { ...data, room: { ...data.room, messages: { ...messages, nodes } } };
  });
}
