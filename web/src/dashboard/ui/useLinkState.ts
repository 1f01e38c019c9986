import { useCallback } from "react";
import { useSearchParams } from "react-router";

export interface LinkState {
  /** The value of a name in the link, or an empty text. */
  get: (name: string) => string;
  /** Changes values of the link; empty ones are left out. */
  set: (values: Record<string, string>) => void;
  /** The same with a new entry in the history, so that "back" takes it back. */
  push: (values: Record<string, string>) => void;
}

/** What a page shows, as a part of its link. */
export function useLinkState(): LinkState {
  const [parameters, setParameters] = useSearchParams();
  const change = useCallback(
    (values: Record<string, string>, replace: boolean) =>
      setParameters(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(values)) {
            if (value === "") after.delete(name);
            else after.set(name, value);
          }
          return after;
        },
        { replace },
      ),
    [setParameters],
  );
  return {
    get: (name) => parameters.get(name) ?? "",
    set: (values) => change(values, true),
    push: (values) => change(values, false),
  };
}
