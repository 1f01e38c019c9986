import { useQuery } from "@apollo/client/react";
import { Radio, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { OneAgentDocument, RemoveAgentDocument, SetActiveDocument } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useMay } from "../session/session";
import { ConfirmDialog } from "../ui/ConfirmDialog";

/** Ends that somebody serves rooms. The user stays, or is locked out. */
export function RemoveAgent({ id, onClose }: { id: string; onClose: () => void }) {
  const { client } = useApi();
  const mayWriteUsers = useMay("users:write");
  const [way, setWay] = useState("remove");
  const { data } = useQuery(OneAgentDocument, { variables: { id }, errorPolicy: "all" });
  const agent = data?.agent;
  if (!agent) return null;
  const { user, openRoomCount } = agent;

  function confirm() {
    return way === "remove"
      ? client.mutate({ mutation: RemoveAgentDocument, variables: { user: user.id } })
      : client.mutate({ mutation: SetActiveDocument, variables: { user: user.id, active: false } });
  }

  return (
    <ConfirmDialog
      title={`Remove ${user.name ?? user.username}?`}
      submit={way === "remove" ? "Remove" : "Deactivate"}
      confirm={confirm}
      onClose={onClose}
    >
      <Stack gap="sm">
        <Text>
          {openRoomCount === 0
            ? "The agent serves no room now; rooms on hold go back to the queue."
            : `The open rooms, ${openRoomCount} of them served now, go back to the queue.`}
        </Text>
        <Radio.Group label="What becomes of the user" value={way} onChange={setWay}>
          <Stack gap="xs" mt="xs">
            <Radio value="remove" label="Stays a user, and is no agent any more" />
            {mayWriteUsers && user.active && <Radio value="deactivate" label="Is deactivated: sessions end, and no new sign-in" />}
          </Stack>
        </Radio.Group>
      </Stack>
    </ConfirmDialog>
  );
}
