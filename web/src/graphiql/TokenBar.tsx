import { useEffect, useState, type FormEvent } from "react";
import { apiUrl } from "../shared/page";
import { storeToken } from "../shared/token";

interface Viewer {
  type: string;
  name: string | null;
  scopes: string[];
}

type State = { known: Viewer } | { problem: string } | null;

interface TokenBarProps {
  token: string | null;
  give: (token: string) => void;
}

/** Takes the token, says where else it may be put, or whose token is in use. */
export function TokenBar({ token, give }: TokenBarProps) {
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
      <header className="token missing">
        <span role="status">
          <strong>No token yet.</strong> Almost every operation needs one: put it here, or into the{" "}
          <strong>Headers</strong> pane in place of <code>TOKEN</code>. All tabs use it.
        </span>
        <TokenForm give={give} />
      </header>
    );
  if (state === null)
    return (
      <header className="token">
        <span role="status">Checking the token …</span>
      </header>
    );
  if ("problem" in state)
    return (
      <header className="token missing">
        <span role="status">
          <strong>The token does not work:</strong> {state.problem} Change it in the <strong>Headers</strong> pane, or
          put another one here.
        </span>
        <TokenForm give={give} />
      </header>
    );
  const { type, name, scopes } = state.known;
  return (
    <header className="token">
      <span role="status">
        Token of <strong>{name ?? type.toLowerCase()}</strong> ({type.toLowerCase()},{" "}
        <span title={scopes.join(", ")}>
          {scopes.length} {scopes.length === 1 ? "scope" : "scopes"}
        </span>
        ). All tabs use it, for queries, mutations and subscriptions.
      </span>
    </header>
  );
}

function TokenForm({ give }: { give: (token: string) => void }) {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token")).replace(/^bearer\s+/i, "").trim();
    if (token === "") return;
    storeToken(token);
    give(token);
  }
  return (
    <form onSubmit={submit}>
      <input name="token" type="password" aria-label="Token" placeholder="Token" autoComplete="off" required />
      <button type="submit">Use it</button>
    </form>
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
