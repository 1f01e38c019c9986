import {
  CombinedGraphQLErrors,
  type ApolloClient,
  type OperationVariables,
  type TypedDocumentNode,
} from "@apollo/client";

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
  refused?: (message: string) => void;
}

/** Subscribes, and again after every end, until the function that it returns is called. */
export function follow<Data, Variables extends OperationVariables>(
  client: ApolloClient,
  { document, variables, next, cached = false, refused }: Followed<Data, Variables>,
): () => void {
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};

  function again(): void {
    stop();
    const pause = Math.min(PAUSE_MILLISECONDS * 2 ** failures, LONGEST_PAUSE_MILLISECONDS);
    failures += 1;
    clearTimeout(timer);
    timer = setTimeout(open, pause * (0.5 + Math.random() / 2));
  }

  function open(): void {
    const subscription = client
      .subscribe({ query: document, variables: variables(), errorPolicy: "all", fetchPolicy: cached ? "network-only" : "no-cache" } as never)
      .subscribe({
        next: ({ data, error }) => {
          // All other errors are interruptions of the connection.
          if (CombinedGraphQLErrors.is(error)) refused?.(error.message);
          if (!data) return;
          failures = 0;
          next(data as Data);
        },
        error: again,
        complete: again,
      });
    stop = () => subscription.unsubscribe();
  }

  open();
  return () => {
    clearTimeout(timer);
    stop();
  };
}
