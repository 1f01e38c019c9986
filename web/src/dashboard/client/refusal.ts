import { CombinedGraphQLErrors } from "@apollo/client";

/** Why an operation did not work. */
export interface Refusal {
  message: string;
  /** The code of the API. Null if the server was not reached. */
  code: string | null;
  /** The argument, the input of a form or the custom field that the error is about. */
  key: string | null;
  extensions: Record<string, unknown>;
}

/** Codes whose errors have no key, and the input that they are about. */
const KEY_OF_CODE: Record<string, string> = { USERNAME_TAKEN: "username" };

/** What a failed operation says, one refusal for each of its errors. `inputOf`: the inputs that codes are about in a form. */
export function refusalsOf(error: unknown, inputOf: Record<string, string> = {}): Refusal[] {
  if (!CombinedGraphQLErrors.is(error) || error.errors.length === 0) return [unreached(error)];
  return error.errors.map(({ message, extensions = {} }) => {
    const [code, key] = [textOf(extensions.code), textOf(extensions.key)];
    return { message, code, key: inputOf[code ?? ""] ?? key ?? KEY_OF_CODE[code ?? ""] ?? null, extensions };
  });
}

/** The first of them. */
export function refusalOf(error: unknown): Refusal {
  return refusalsOf(error)[0]!;
}

/** Whether a refusal is about the input with this name, or about a part of it. */
export function isAbout({ key }: Refusal, input: string): boolean {
  return key === input || (key?.startsWith(`${input}.`) ?? false);
}

/** The message of a refusal, with the agent who serves the room if another caller was faster. */
export function describe(error: unknown): string {
  const { message, extensions } = refusalOf(error);
  const winner = (extensions.servedBy as { username?: string } | undefined)?.username;
  return winner ? `${winner} was faster and serves the room now.` : message;
}

function unreached(error: unknown): Refusal {
  const message = error instanceof Error ? error.message : String(error);
  return { message: /fetch/i.test(message) ? "The server cannot be reached." : message, code: null, key: null, extensions: {} };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
