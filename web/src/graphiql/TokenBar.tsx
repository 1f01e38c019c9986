import { useEffect, useState } from "react";
import { apiUrl } from "../shared/page";

interface Viewer {
  type: string;
  name: string | null;
  scopes: string[];
}

type State = { known: Viewer } | { problem: string } | null;

/** Says where the token goes, or whose token is in use. */
export function TokenBar({ token }: { token: string | null }) {
  const [state, setState] = useState<State>(null);
  useEffect(() => {
    setState(null);
    if (token === null) return;
    const abort = new AbortController();
    const timer = setTimeout(() => readViewer(token, abort.signal).then(setState, () => undefined), 300);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [token]);

  if (token === null)
    return (
      <p className="token missing" role="status">
        <strong>No token yet.</strong> Almost every operation needs one: put it in the <strong>Headers</strong> pane
        below the operation, in place of <code>TOKEN</code>. All tabs use it, for queries, mutations and subscriptions.
      </p>
    );
  if (state === null)
    return (
      <p className="token" role="status">
        Checking the token …
      </p>
    );
  if ("problem" in state)
    return (
      <p className="token missing" role="status">
        <strong>The token does not work:</strong> {state.problem} Change it in the <strong>Headers</strong> pane below
        the operation.
      </p>
    );
  const { type, name, scopes } = state.known;
  return (
    <p className="token" role="status">
      Token of <strong>{name ?? type.toLowerCase()}</strong> ({type.toLowerCase()},{" "}
      <span title={scopes.join(", ")}>
        {scopes.length} {scopes.length === 1 ? "scope" : "scopes"}
      </span>
      ). All tabs use it, for queries, mutations and subscriptions.
    </p>
  );
}

async function readViewer(token: string, signal: AbortSignal): Promise<State> {
  const response = await fetch(apiUrl, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: "{ viewer { type name scopes } }" }),
    signal,
  });
  const { data, errors } = (await response.json()) as {
    data?: { viewer: Viewer | null };
    errors?: { message: string }[];
  };
  return data?.viewer ? { known: data.viewer } : { problem: errors?.[0]?.message ?? "" };
}
