import { Button, Kbd, Title } from "@mantine/core";
import { useEffect, useRef } from "react";
import { KEYS, useKeys } from "./keys";

/** The list of keys that `?` opens. The keys that work on every page are handled here. */
export function KeyList() {
  const dialog = useRef<HTMLDialogElement>(null);
  const before = useRef<HTMLElement | null>(null);
  useKeys({
    "?": () => dialog.current?.showModal(),
    "/": () => {
      before.current = document.activeElement as HTMLElement | null;
      document.querySelector<HTMLElement>("[data-filter]")?.focus();
    },
  });
  useEffect(() => {
    // Escape leads from the filter back to where one was.
    function escaped(event: KeyboardEvent) {
      if (event.key !== "Escape" || !(event.target as HTMLElement).matches("[data-filter]")) return;
      before.current?.focus();
    }
    document.addEventListener("keyup", escaped);
    document.addEventListener("keydown", escaped);
    return () => {
      document.removeEventListener("keyup", escaped);
      document.removeEventListener("keydown", escaped);
    };
  }, []);
  return (
    <dialog ref={dialog} className="key-list" aria-labelledby="keys">
      <Title order={2} size="h4" id="keys">
        Keys
      </Title>
      <dl>
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <Kbd>{key}</Kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <Button size="xs" variant="default" onClick={() => dialog.current?.close()}>
        Close the list
      </Button>
    </dialog>
  );
}
