import { useEffect, useRef } from "react";

/** The keys of the pages, for the list that `?` shows. */
export const KEYS: [key: string, does: string][] = [
  ["/", "to the filter"],
  ["j", "next row"],
  ["k", "previous row"],
  ["Enter", "open the room of the row"],
  ["x", "select the room of the row"],
  ["t", "take the room"],
  ["n", "write a note"],
  ["m", "write a message"],
  ["c", "close the room"],
  ["Esc", "leave the field"],
  ["?", "this list"],
];

type Handler = (event: KeyboardEvent) => unknown;

/** Calls the handlers of keys that are pressed outside of fields. */
export function useKeys(handlers: Record<string, Handler>): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    function pressed(event: KeyboardEvent) {
      const handler = latest.current[event.key];
      if (!handler || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target as HTMLElement;
      if (target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog[open]")) return;
      // Enter on a link or a button is for the browser.
      if (event.key === "Enter") {
        handler(event);
        return;
      }
      event.preventDefault();
      handler(event);
    }
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}
