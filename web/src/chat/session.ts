import { page } from "../shared/page";

/** The session of the visitor of this browser. All of its tabs and windows share it. */
export interface Session {
  token: string;
  expiresAt: string;
}

const KEY = "switchboard-chat";

export function storedSession(): Session | null {
  const text = localStorage.getItem(KEY);
  if (text === null) return null;
  const session = JSON.parse(text) as Session;
  return Date.parse(session.expiresAt) > Date.now() ? session : null;
}

/** Calls the function when another tab begins or ends the session. Returns what ends that. */
export function onSession(apply: (session: Session | null) => void): () => void {
  const listen = ({ key }: StorageEvent) => {
    if (key === KEY || key === null) apply(storedSession());
  };
  addEventListener("storage", listen);
  return () => removeEventListener("storage", listen);
}

export function forgetSession(): void {
  localStorage.removeItem(KEY);
}

/** Begins a session as a new visitor. Throws an error with a text for the visitor. */
export async function beginSession(): Promise<Session> {
  const response = await fetch(`${location.origin}${page.base}/chat/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const answer = (await response.json()) as Session & { errors?: { message: string }[] };
  if (!response.ok) throw new Error(answer.errors?.[0]?.message ?? `The server answered with ${response.status}.`);
  const session = { token: answer.token, expiresAt: answer.expiresAt };
  localStorage.setItem(KEY, JSON.stringify(session));
  return session;
}
