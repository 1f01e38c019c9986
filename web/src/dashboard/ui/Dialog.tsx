import { Modal } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";

interface DialogProps {
  title: string;
  size?: string | undefined;
  /** Whether the buttons inside are the only way to close it. */
  deliberate?: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog that keeps the focus, and gives it back when it is closed. */
export function Dialog({ title, size = "md", deliberate = false, onClose, children }: DialogProps) {
  useFocusReturn();
  return (
    <Modal.Root
      opened
      onClose={onClose}
      size={size}
      closeOnClickOutside={!deliberate}
      closeOnEscape={!deliberate}
      returnFocus={false}
    >
      <Modal.Overlay />
      <Modal.Content>
        {/* A header of the library is a landmark, which the page has already. */}
        <Modal.Header component="div">
          <Modal.Title fw={700}>{title}</Modal.Title>
          {!deliberate && <Modal.CloseButton aria-label="Close" />}
        </Modal.Header>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

const DIALOG = "[role=dialog]";

/** What had the focus before the first of several dialogs that replace each other. */
let origin: HTMLElement | null = null;

/** The library gives the focus back only if a dialog stays mounted, and to what the previous dialog had. */
function useFocusReturn(): void {
  const [focused] = useState(() => document.activeElement);
  useEffect(() => {
    if (focused instanceof HTMLElement && focused !== document.body && !focused.closest(DIALOG)) origin = focused;
    return () => void setTimeout(giveBack);
  }, [focused]);
}

function giveBack(): void {
  if (document.querySelector(DIALOG)) return;
  const target = origin?.isConnected ? origin : document.querySelector<HTMLElement>("main h1");
  target?.focus();
  origin = null;
}
