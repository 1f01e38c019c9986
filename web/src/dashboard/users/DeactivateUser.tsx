import { Text } from "@mantine/core";
import { SetActiveDocument } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { ConfirmDialog } from "../ui/ConfirmDialog";

/** Ends that a user can sign in and serve. */
export function DeactivateUser({ id, onClose }: { id: string; onClose: () => void }) {
  const { client } = useApi();
  return (
    <ConfirmDialog
      title="Deactivate the user?"
      submit="Deactivate"
      confirm={() => client.mutate({ mutation: SetActiveDocument, variables: { user: id, active: false } })}
      onClose={onClose}
    >
      <Text>All sessions end, and open rooms go back to the queue. The user can be activated again.</Text>
    </ConfirmDialog>
  );
}
