import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { createClient } from "graphql-ws";
import { keepNewerRooms } from "./newerRooms";
import { renamed } from "./renameRoom";
import { possibleTypes, valueTypes } from "./schemaTypes";
import { showList } from "./watchRooms";

/** A client of the server at `url`, such as http://localhost:8000/graphql, with a token of `login`. */
export function connect(url: string, token: string): Client {
  const authorization = `Bearer ${token}`;
  const websocket = createClient({ url: url.replace(/^http/, "ws"), connectionParams: { authorization }, retryAttempts: 0 });
  return new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization } },
    exchanges: [
      cacheExchange({
        possibleTypes,
        // Only entities are shared by their id. An actor has the id of a user, and a choice an id within its message.
        keys: Object.fromEntries(valueTypes.map((name) => [name, () => null])),
        updates: { Subscription: { roomList: showList } },
        optimistic: { updateRoom: renamed },
      }),
      keepNewerRooms(),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: websocket.subscribe({ query: query ?? "", variables }, sink) }),
        }),
      }),
    ],
  });
}
