import { NativeSelect, Text } from "@mantine/core";
import { useState } from "react";
import { RotateAppTokenDocument, type AppRowFragment } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { TokenDialog, type NewToken } from "./TokenDialog";

const OVERLAPS = [
  { value: "0", label: "at once" },
  { value: "60", label: "after a minute" },
  { value: "3600", label: "after an hour" },
  { value: "86400", label: "after a day" },
];

/** Gives an app a new token, and ends the old one. */
export function RotateToken({ app, onClose }: { app: AppRowFragment; onClose: () => void }) {
  const { client } = useApi();
  const action = useAction(["overlapSeconds"]);
  const [overlap, setOverlap] = useState("3600");
  const [created, setCreated] = useState<NewToken | null>(null);

  function rotate() {
    void action.run(async () => {
      const { data } = await client.mutate({
        mutation: RotateAppTokenDocument,
        variables: { app: app.id, overlapSeconds: Number(overlap) },
      });
      if (data?.rotateAppToken) setCreated({ token: data.rotateAppToken.token, name: app.name, scopes: app.scopes });
    });
  }

  if (created) return <TokenDialog title={`The new token of ${app.name}`} created={created} onClose={onClose} />;
  return (
    <FormDialog title={`New token for ${app.name}`} submit="Create the token" action={action} onSubmit={rotate} onClose={onClose}>
      <Text>The app keeps its scopes and its consumers. Give it the new token before the old one ends.</Text>
      <NativeSelect
        label="The old token ends"
        data-autofocus
        value={overlap}
        onChange={(event) => setOverlap(event.currentTarget.value)}
        data={OVERLAPS}
        error={action.at("overlapSeconds")}
      />
    </FormDialog>
  );
}
