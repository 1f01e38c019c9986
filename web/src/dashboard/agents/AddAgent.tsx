import { PasswordInput, SegmentedControl, Switch, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { AddAgentDocument, NewUserDocument } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useMay } from "../session/session";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { AGENT_INPUTS, AgentInputs, NEW_AGENT } from "./AgentInputs";
import { UserPicker, type ChosenUser } from "./UserPicker";

const EMPTY = { username: "", name: "", email: "", password: "", bot: false };

/** Makes a new user, or one who is there, an agent. */
export function AddAgent({ onClose }: { onClose: () => void }) {
  const { client } = useApi();
  const mayCreateUsers = useMay("users:write");
  const mayGiveRoles = useMay("roles:write");
  const [way, setWay] = useState(mayCreateUsers ? "new" : "existing");
  const [user, setUser] = useState(EMPTY);
  const [chosen, setChosen] = useState<ChosenUser | null>(null);
  /** The user of this form, if only the second step was refused. */
  const [created, setCreated] = useState<ChosenUser | null>(null);
  const [agent, setAgent] = useState(NEW_AGENT);
  const action = useAction(["username", "name", "emails", "password", "userId", ...AGENT_INPUTS]);
  const change = (values: Partial<typeof EMPTY>) => setUser((before) => ({ ...before, ...values }));

  async function createUser(): Promise<ChosenUser> {
    const { data } = await client.mutate({
      mutation: NewUserDocument,
      variables: {
        input: {
          username: user.username.trim(),
          name: user.name.trim() || null,
          emails: user.email.trim() === "" ? [] : [user.email.trim()],
          password: user.password || null,
          type: user.bot ? "BOT" : "USER",
          ...(user.bot && mayGiveRoles ? { roles: ["bot"] } : {}),
        },
      },
    });
    const found = data!.createUser!.user;
    setCreated(found);
    return found;
  }

  async function add() {
    const done = await action.run(async () => {
      const { id } = way === "existing" ? chosen! : (created ?? (await createUser()));
      await client.mutate({ mutation: AddAgentDocument, variables: { input: { userId: id, ...agent } } });
    });
    if (done) onClose();
  }

  const fixed = created !== null;
  return (
    <FormDialog
      title="Add an agent"
      submit="Add"
      action={action}
      onSubmit={() => void add()}
      onClose={onClose}
      disabled={way === "existing" && chosen === null}
    >
      {mayCreateUsers && (
        <SegmentedControl
          aria-label="Who becomes an agent"
          value={way}
          onChange={setWay}
          disabled={fixed}
          data={[
            { value: "new", label: "New user" },
            { value: "existing", label: "Existing user" },
          ]}
        />
      )}
      {way === "existing" ? (
        <UserPicker value={chosen} onChange={setChosen} error={action.at("userId")} disabled={false} />
      ) : (
        <>
          <TextInput
            label="Username"
            required
            data-autofocus
            autoComplete="off"
            disabled={fixed}
            value={user.username}
            onChange={(event) => change({ username: event.currentTarget.value })}
            error={action.at("username")}
          />
          <TextInput
            label="Name"
            autoComplete="off"
            disabled={fixed}
            value={user.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
            error={action.at("name")}
          />
          <TextInput
            label="Email"
            autoComplete="off"
            disabled={fixed}
            value={user.email}
            onChange={(event) => change({ email: event.currentTarget.value })}
            error={action.at("emails")}
          />
          <PasswordInput
            label="Password"
            description="To sign in here. A bot, and a person of another system, need none."
            autoComplete="new-password"
            disabled={fixed}
            value={user.password}
            onChange={(event) => change({ password: event.currentTarget.value })}
            error={action.at("password")}
            visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
          />
          {mayGiveRoles && (
            <Switch
              label="A bot"
              description="Gets the role bot: routing offers it rooms while it is offline."
              disabled={fixed}
              checked={user.bot}
              onChange={(event) => change({ bot: event.currentTarget.checked })}
            />
          )}
          {fixed && <Text className="quiet">The user {created.username} is created, but is no agent yet.</Text>}
        </>
      )}
      <AgentInputs values={agent} change={(values) => setAgent((before) => ({ ...before, ...values }))} action={action} />
    </FormDialog>
  );
}
