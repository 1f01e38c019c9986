import type { ApolloClient } from "@apollo/client";
import { createContext, useContext } from "react";
import { ViewerDocument, type ViewerQuery } from "../../gql/graphql";
import type { Feed } from "../client/feed";
import type { Samples } from "../client/samples";

export type Viewer = NonNullable<ViewerQuery["viewer"]>;

export interface Session {
  viewer: Viewer;
  feed: Feed;
  samples: Samples;
  signOut: () => void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("SessionContext has no value.");
  return session;
}

/** Whether the token has this scope. Pages leave out what the token may not do. */
export function useMay(scope: string): boolean {
  return useSession().viewer.scopes.includes(scope);
}

/** Whom the token belongs to, or null if it has ended. */
export async function readViewer(client: ApolloClient): Promise<Viewer | null> {
  const { data } = await client.query({ query: ViewerDocument, fetchPolicy: "network-only", errorPolicy: "all" });
  return data?.viewer ?? null;
}
