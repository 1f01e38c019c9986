import { storedToken, storeToken } from "../shared/token";

const PLACEHOLDER = "TOKEN";

/** The text of the headers pane of a new tab. */
export function defaultHeaders(): string {
  return JSON.stringify({ Authorization: `Bearer ${storedToken() ?? PLACEHOLDER}` }, null, 2);
}

/** The value of the header `Authorization`. Without a token of its own, a tab uses the one of another tab. */
export function authorizationOf(headers: Record<string, string>): string | null {
  const token = tokenIn(headers) ?? storedToken();
  return token === null ? null : `Bearer ${token}`;
}

/** Stores the token of the text of a headers pane. Returns the token in use, or null if there is none. */
export function readToken(text: string): string | null {
  try {
    const token = tokenIn(JSON.parse(text) as Record<string, string>);
    if (token !== null) storeToken(token);
  } catch {
    // The text is no JSON while somebody is typing.
  }
  return storedToken();
}

function tokenIn(headers: Record<string, string>): string | null {
  const entry = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization");
  const token = String(entry?.[1] ?? "").replace(/^bearer\s*/i, "").trim();
  return token === "" || token === PLACEHOLDER ? null : token;
}
