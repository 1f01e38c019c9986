import { ApolloClient, ApolloLink, HttpLink, defaultDataIdFromObject } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { possibleTypes } from "./schemaTypes";
import { RoomCache } from "./roomCache";

const ENTITIES = new Set(possibleTypes.Node);
const SNAPSHOTS = ["Room", "User", "Agent", "Visitor", "Message", "Department", "Role", "FieldDefinition", "App"];

/** A client of the server at `url`, such as http://localhost:8000/graphql, with a token of `login`. */
export function connect(url: string, token: string): ApolloClient {
  const authorization = `Bearer ${token}`;
  const http = new HttpLink({ uri: url, headers: { authorization } });
  const websocket = new GraphQLWsLink(
    createClient({ url: url.replace(/^http/, "ws"), connectionParams: { authorization }, retryAttempts: 0 }),
  );
  return new ApolloClient({
    link: ApolloLink.split(({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, websocket, http),
    cache: new RoomCache({
      possibleTypes,
      // Only entities are shared by their id. An actor has the id of a user, and a choice an id within its message.
      dataIdFromObject: (object) =>
        ENTITIES.has(object.__typename ?? "") ? defaultDataIdFromObject(object) : undefined,
      typePolicies: {
        // A snapshot never changes, so that two answers may each bring a part of its fields.
        ...Object.fromEntries(SNAPSHOTS.map((name) => [`${name}Snapshot`, { merge: true }])),
      },
    }),
  });
}
