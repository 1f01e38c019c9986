import { Button, Group, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { CreateAppDocument } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useSession } from "../session/session";
import { FormDialog } from "../ui/FormDialog";
import { ScopePicker } from "../ui/ScopePicker";
import { useAction } from "../ui/useAction";
import { TokenDialog, type NewToken } from "./TokenDialog";

/** What the kinds of apps need that people write most. */
const KINDS: { label: string; scopes: string[] }[] = [
  { label: "Answers visitors", scopes: ["events:read", "rooms:read", "visitors:read", "messages:read", "messages:write"] },
  { label: "Decides who serves", scopes: ["events:read", "users:read", "rooms:read", "rooms:assign"] },
  {
    label: "Keeps agents in sync",
    scopes: ["users:read", "users:write", "roles:write", "agents:write", "fields:write"],
  },
  { label: "Only reads", scopes: ["events:read", "users:read", "visitors:read", "rooms:read", "messages:read"] },
];

export function CreateApp({ onClose }: { onClose: () => void }) {
  const { client } = useApi();
  const { viewer } = useSession();
  const action = useAction(["name", "scopes"]);
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>([]);
  const [created, setCreated] = useState<NewToken | null>(null);

  function create() {
    void action.run(async () => {
      const { data } = await client.mutate({ mutation: CreateAppDocument, variables: { name: name.trim(), scopes } });
      if (data?.createApp) setCreated({ token: data.createApp.token, name: data.createApp.app.name, scopes });
    });
  }

  if (created) return <TokenDialog title={`${created.name} is created`} created={created} onClose={onClose} />;
  const kinds = KINDS.filter((kind) => kind.scopes.every((scope) => viewer.scopes.includes(scope)));
  return (
    <FormDialog title="Create an app" submit="Create" action={action} onSubmit={create} onClose={onClose} size="lg">
      <TextInput
        label="Name"
        description="For people. The same name twice is allowed."
        required
        maxLength={128}
        data-autofocus
        autoComplete="off"
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={action.at("name")}
      />
      {kinds.length > 0 && (
        <div role="group" aria-label="What the app does">
          <Text size="sm" fw={500}>
            What the app does
          </Text>
          <Group gap="xs" mt={4}>
            {kinds.map((kind) => (
              <Button key={kind.label} variant="default" size="compact-sm" onClick={() => setScopes(kind.scopes)}>
                {kind.label}
              </Button>
            ))}
          </Group>
        </div>
      )}
      <ScopePicker
        description="Choose what the app needs and no more. They cannot be changed later."
        value={scopes}
        onChange={setScopes}
        error={action.at("scopes")}
      />
    </FormDialog>
  );
}
