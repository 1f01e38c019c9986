import { Button } from "@mantine/core";
import { useState } from "react";

const SHOWN_MILLISECONDS = 3_000;

/** Copies a text. `label` says what is copied. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [said, setSaid] = useState<string | null>(null);

  async function copy() {
    setSaid((await copyText(text)) ? "Copied" : "Select and copy");
    setTimeout(() => setSaid(null), SHOWN_MILLISECONDS);
  }

  return (
    <Button variant="default" size="compact-sm" aria-label={said === null ? label : undefined} onClick={() => void copy()}>
      <span aria-live="polite">{said ?? "Copy"}</span>
    </Button>
  );
}

/** Puts the text on the clipboard. Returns whether that worked. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Browsers have navigator.clipboard only on https and on loopback addresses. */
function copyBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  // Inside the dialog, which keeps the focus.
  (focused?.parentElement ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
