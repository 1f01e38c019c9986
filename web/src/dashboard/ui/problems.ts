import { CombinedGraphQLErrors } from "@apollo/client";

/** A refusal: the input that it is about, if the error names one, and the sentence for people. */
export interface Problem {
  key: string | null;
  message: string;
}

/** Codes whose errors have no key, and the input that they are about. */
const KEY_OF_CODE: Record<string, string> = { USERNAME_TAKEN: "username" };

/** What a failed operation says, a problem for each of its errors. `inputOf`: the inputs that codes are about in a form. */
export function problemsOf(error: unknown, inputOf: Record<string, string> = {}): Problem[] {
  if (!CombinedGraphQLErrors.is(error)) return [{ key: null, message: error instanceof Error ? error.message : String(error) }];
  return error.errors.map(({ message, extensions }) => {
    const { key, code } = (extensions ?? {}) as { key?: string; code?: string };
    return { key: inputOf[code ?? ""] ?? key ?? KEY_OF_CODE[code ?? ""] ?? null, message };
  });
}

/** Whether a problem is about the input with this name, or about a part of it. */
export function isAbout({ key }: Problem, input: string): boolean {
  return key === input || (key?.startsWith(`${input}.`) ?? false);
}
