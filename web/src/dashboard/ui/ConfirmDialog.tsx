import type { ReactNode } from "react";
import { FormDialog } from "./FormDialog";
import { useAction } from "./useAction";

interface ConfirmDialogProps {
  title: string;
  submit: string;
  children: ReactNode;
  confirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that is hard to take back, and says why if it is refused. */
export function ConfirmDialog({ title, submit, children, confirm, onClose }: ConfirmDialogProps) {
  const action = useAction();

  async function run() {
    if (await action.run(confirm)) onClose();
  }

  return (
    <FormDialog title={title} submit={submit} dangerous action={action} onSubmit={() => void run()} onClose={onClose}>
      <div>{children}</div>
    </FormDialog>
  );
}
