import { CombinedGraphQLErrors } from "@apollo/client";

/** Why an operation did not work. */
export interface Refusal {
  message: string;
  /** The code of the API. Null if the server was not reached. */
  code: string | null;
  /** The argument or the custom field that the error is about. */
  key: string | null;
  extensions: Record<string, unknown>;
}

export function refusalOf(error: unknown): Refusal {
  const first = CombinedGraphQLErrors.is(error) ? error.errors[0] : undefined;
  if (!first) {
    const message = error instanceof Error ? error.message : String(error);
    return { message: /fetch/i.test(message) ? "The server cannot be reached." : message, code: null, key: null, extensions: {} };
  }
  const extensions = first.extensions ?? {};
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  return { message: first.message, code: text(extensions.code), key: text(extensions.key), extensions };
}

/** The message of a refusal, with the agent who serves the room if another caller was faster. */
export function describe(error: unknown): string {
  const { message, extensions } = refusalOf(error);
  const winner = (extensions.servedBy as { username?: string } | undefined)?.username;
  return winner ? `${winner} was faster and serves the room now.` : message;
}
