import { ApolloClient, ApolloLink, HttpLink, defaultDataIdFromObject } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import generated from "../../gql/possibleTypes";
import { apiUrl, socketUrl } from "../../shared/page";
import { ServerClock } from "./clock";
import { ConnectionStore } from "./connection";
import { RoomCache } from "./roomCache";

const { possibleTypes } = generated as { possibleTypes: Record<string, string[]> };
const ENTITIES = new Set(possibleTypes.Node);
const TOKEN_ENDED = 4403;
const PING_MILLISECONDS = 10_000;
const PONG_MILLISECONDS = 5_000;

export interface Api {
  client: ApolloClient;
  connection: ConnectionStore;
  clock: ServerClock;
  close: () => void;
}

/** A client with this token. `onEnd` is called when the token has ended. */
export function connect(token: string, onEnd: () => void): Api {
  const authorization = `Bearer ${token}`;
  const connection = new ConnectionStore();
  const clock = new ServerClock();
  let overdue: ReturnType<typeof setTimeout> | undefined;
  // Subscriptions begin again by themselves, after the position that they have reached (follow.ts).
  const socket = createClient({
    url: socketUrl,
    connectionParams: { authorization },
    retryAttempts: 0,
    lazyCloseTimeout: 1_000,
    keepAlive: PING_MILLISECONDS,
    on: {
      // A connection that was lost without a word is found by a ping that nobody answers.
      ping: (received) => {
        if (!received) overdue = setTimeout(() => socket.terminate(), PONG_MILLISECONDS);
      },
      pong: (received) => {
        if (received) clearTimeout(overdue);
      },
      connected: () => connection.opened(),
      closed: (event) => {
        clearTimeout(overdue);
        connection.closed();
        if (event instanceof CloseEvent && event.code === TOKEN_ENDED) void check();
      },
    },
  });
  const http = new HttpLink({
    uri: apiUrl,
    headers: { authorization },
    fetch: async (...request) => {
      const sent = Date.now();
      const answer = await fetch(...request);
      clock.note(answer, sent);
      return answer;
    },
  });
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    http,
  );

  // The code 4403 also says that the permissions have changed.
  async function check(): Promise<void> {
    const response = await fetch(apiUrl, {
      method: "POST",
      headers: { "content-type": "application/json", authorization },
      body: JSON.stringify({ query: "{ viewer { type } }" }),
    });
    const { data } = (await response.json()) as { data?: { viewer: unknown } };
    if (data?.viewer) return;
    connection.signedOut();
    onEnd();
  }

  const goOffline = () => socket.terminate();
  window.addEventListener("offline", goOffline);
  return {
    connection,
    clock,
    client: new ApolloClient({
      link,
      cache: new RoomCache({
        possibleTypes,
        // An actor has the id of a user, and a choice an id within its message: only entities are shared by their id.
        dataIdFromObject: (object) =>
          ENTITIES.has(object.__typename ?? "") ? defaultDataIdFromObject(object) : undefined,
      }),
    }),
    close: () => {
      window.removeEventListener("offline", goOffline);
      void socket.dispose();
    },
  };
}
