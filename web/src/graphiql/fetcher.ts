import type { Fetcher } from "@graphiql/toolkit";
import { parse, type OperationDefinitionNode } from "graphql";
import { createClient, type Client } from "graphql-ws";
import { apiUrl, socketUrl } from "../shared/page";
import { authorizationOf } from "./headers";

/** The most results of a subscription that the response shows. Earlier ones are left out. */
const SHOWN_RESULTS = 200;

interface Received<Result> {
  received: number;
  /** The newest first. */
  results: Result[];
}

/** The websocket of the last subscription. A subscription with other headers opens another one. */
let socket: { headers: string; client: Client } | undefined;

function socketClient(headers: Record<string, string>): Client {
  const key = JSON.stringify(headers);
  if (socket?.headers !== key) {
    const client = createClient({ url: socketUrl, connectionParams: headers, retryAttempts: 0 });
    socket = { headers: key, client };
  }
  return socket.client;
}

/** Sends queries and mutations by HTTP and subscriptions by websocket, both with the headers of the headers pane. */
export const fetcher: Fetcher = async (parameters, options) => {
  const headers = withAuthorization(options?.headers ?? {});
  const { query, variables, operationName } = parameters;
  if (operationType(query, operationName) === "subscription") {
    const results = socketClient(headers).iterate({ query, variables, operationName: operationName ?? undefined });
    return collect(results) as AsyncIterableIterator<never>;
  }
  const response = await fetch(apiUrl, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...headers },
    body: JSON.stringify({ query, variables, operationName }),
  });
  return response.json();
};

function operationType(query: string, operationName: string | null | undefined): string {
  const operations = parse(query, { noLocation: true }).definitions.filter(
    (definition): definition is OperationDefinitionNode => definition.kind === "OperationDefinition",
  );
  const chosen = operations.find(({ name }) => !operationName || name?.value === operationName);
  return chosen?.operation ?? "query";
}

function withAuthorization(headers: Record<string, string>): Record<string, string> {
  const others = Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization");
  const authorization = authorizationOf(headers);
  return Object.fromEntries(authorization === null ? others : [...others, ["authorization", authorization]]);
}

/** All results so far, again with each new one. Without this, the response shows the last one alone. */
function collect<Result>(source: AsyncIterableIterator<Result>): AsyncIterableIterator<Received<Result>> {
  const results: Result[] = [];
  let received = 0;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const { done, value } = await source.next().catch((problem: unknown) => Promise.reject(explain(problem)));
      if (done) return { done: true, value: undefined };
      received += 1;
      results.unshift(value);
      results.length = Math.min(results.length, SHOWN_RESULTS);
      return { done: false, value: { received, results: [...results] } };
    },
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
}

function explain(problem: unknown): unknown {
  if (problem instanceof CloseEvent)
    return new Error(`The websocket was closed with the code ${problem.code}. ${problem.reason}`.trim());
  return problem;
}
