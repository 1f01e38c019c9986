import { Button, Group, Stack } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";
import { Problem } from "../shell/Problem";
import { Dialog } from "./Dialog";
import type { Action } from "./useAction";

interface FormDialogProps {
  title: string;
  /** The word on the button that submits the form. */
  submit: string;
  /** The action is hard to take back: the button is red. */
  dangerous?: boolean;
  disabled?: boolean;
  action: Action;
  onSubmit: () => void;
  onClose: () => void;
  children: ReactNode;
  /** Beside the buttons, at the left. */
  aside?: ReactNode;
  size?: string;
}

/** A form in a dialog. The dialog keeps the focus, and gives it back when it is closed. */
export function FormDialog(props: FormDialogProps) {
  const { title, submit, dangerous = false, disabled = false, action, onSubmit, onClose, children, aside, size } = props;

  function send(event: FormEvent) {
    event.preventDefault();
    if (!action.working) onSubmit();
  }

  return (
    <Dialog title={title} size={size} onClose={onClose}>
      <form onSubmit={send}>
        <Stack gap="sm">
          {children}
          {action.others.map((message) => (
            <Problem key={message}>{message}</Problem>
          ))}
          <Group justify="space-between" className="form-footer">
            <Group gap="xs">{aside}</Group>
            <Group gap="xs">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" color={dangerous ? "red.9" : undefined} loading={action.working} disabled={disabled}>
                {submit}
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
