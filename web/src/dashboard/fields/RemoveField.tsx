import { Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { RemoveFieldDocument, type FieldRowFragment } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { TARGETS } from "./types";

/** Removes a field with all of its values, after its key was typed. */
export function RemoveField({ field, onClose }: { field: FieldRowFragment; onClose: () => void }) {
  const { client } = useApi();
  const action = useAction();
  const [typed, setTyped] = useState("");

  async function remove() {
    const done = await action.run(() => client.mutate({ mutation: RemoveFieldDocument, variables: { id: field.id } }));
    if (done) onClose();
  }

  return (
    <FormDialog
      title={`Remove ${field.label}?`}
      submit="Remove"
      dangerous
      disabled={typed !== field.key}
      action={action}
      onSubmit={() => void remove()}
      onClose={onClose}
    >
      <Stack gap="sm">
        <Text>
          All values of this field are removed from all {TARGETS[field.target].toLowerCase()}. They cannot be brought back.
        </Text>
        <TextInput
          label={`Type ${field.key} to remove it`}
          data-autofocus
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      </Stack>
    </FormDialog>
  );
}
