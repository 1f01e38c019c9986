import { Text } from "@mantine/core";
import { RevokeAppDocument, type AppRowFragment } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useSession } from "../session/session";
import { ConfirmDialog } from "../ui/ConfirmDialog";

/** Ends an app for good. */
export function RevokeApp({ app, onClose }: { app: AppRowFragment; onClose: () => void }) {
  const { client } = useApi();
  const { viewer } = useSession();
  return (
    <ConfirmDialog
      title={`Revoke ${app.name}?`}
      submit="Revoke"
      confirm={() => client.mutate({ mutation: RevokeAppDocument, variables: { app: app.id } })}
      onClose={onClose}
    >
      <Text>
        Its tokens and its subscriptions end at once, and its consumers and webhooks are removed. An app that is revoked stays revoked.
        {app.id === viewer.id && " You are signed in with its token."}
      </Text>
    </ConfirmDialog>
  );
}
