import { CombinedGraphQLErrors, type ApolloClient, type OperationVariables, type TypedDocumentNode } from "@apollo/client";
import { refusalOf, type Refusal } from "./refusal";

const PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 10_000;

interface Followed<Data, Variables> {
  document: TypedDocumentNode<Data, Variables>;
  /** The variables of the next subscription, which may continue after a position. */
  variables: () => Variables;
  next: (data: Data) => void;
  /** Whether the entities of the results are written to the cache. */
  cached?: boolean;
  /** Called with an error of the operation itself, before it begins again. */
  refused?: (refusal: Refusal) => void;
}

/** Subscribes, and again after every end, until the function that it returns is called. */
export function follow<Data, Variables extends OperationVariables>(
  client: ApolloClient,
  { document, variables, next, cached = false, refused }: Followed<Data, Variables>,
): () => void {
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  let limited = 0;

  function again(): void {
    stop();
    const pause = Math.min(PAUSE_MILLISECONDS * 2 ** failures, LONGEST_PAUSE_MILLISECONDS);
    failures += 1;
    clearTimeout(timer);
    timer = setTimeout(open, limited + pause * (0.5 + Math.random() / 2));
  }

  function open(): void {
    stop();
    clearTimeout(timer);
    timer = undefined;
    limited = 0;
    const subscription = client
      .subscribe({ query: document, variables: variables(), errorPolicy: "all", fetchPolicy: cached ? "network-only" : "no-cache" } as never)
      .subscribe({
        next: ({ data, error }) => {
          // All other errors are interruptions of the connection.
          if (CombinedGraphQLErrors.is(error)) {
            const refusal = refusalOf(error);
            limited = 1_000 * Number(refusal.extensions.retryAfterSeconds ?? 0);
            refused?.(refusal);
          }
          if (!data) return;
          failures = 0;
          next(data as Data);
        },
        error: again,
        complete: again,
      });
    stop = () => subscription.unsubscribe();
  }

  // A device that is connected again does not wait for the end of a pause.
  function hurry(): void {
    if (timer !== undefined) open();
  }

  window.addEventListener("online", hurry);
  open();
  return () => {
    window.removeEventListener("online", hurry);
    clearTimeout(timer);
    stop();
  };
}
