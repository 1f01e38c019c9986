import { createClient } from "graphql-ws";
import { Environment, Network, Observable, RecordSource, Store } from "relay-runtime";
import type { GraphQLResponse, RequestParameters, Variables } from "relay-runtime";
import { possibleTypes } from "./schemaTypes";

const ENTITIES = new Set(possibleTypes.Node);

/** An environment for the server at `url`, such as http://localhost:8000/graphql, with a token of `login`. */
export function connect(url: string, token: string): Environment {
  const authorization = `Bearer ${token}`;
  const websocket = createClient({ url: url.replace(/^http/, "ws"), connectionParams: { authorization }, retryAttempts: 0 });

  async function request({ text: query }: RequestParameters, variables: Variables): Promise<GraphQLResponse> {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as GraphQLResponse;
  }

  function subscribe({ text }: RequestParameters, variables: Variables): Observable<GraphQLResponse> {
    return Observable.create((sink) =>
      websocket.subscribe({ query: text ?? "", variables }, {
        next: (result) => sink.next(result as GraphQLResponse),
        error: (error) => sink.error(error instanceof Error ? error : new Error(JSON.stringify(error))),
        complete: sink.complete,
      }),
    );
  }

  return new Environment({
    network: Network.create(request, subscribe),
    store: new Store(new RecordSource()),
    // Only entities are shared by their id. An actor has the id of a user, and a choice an id within its message.
    getDataID: (object, typename) => (ENTITIES.has(typename) ? object.id : null),
  });
}
