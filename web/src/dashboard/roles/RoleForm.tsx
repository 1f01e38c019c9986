import { Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { CreateRoleDocument, UpdateRoleDocument, type RoleRowFragment } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { FormDialog } from "../ui/FormDialog";
import { ScopePicker } from "../ui/ScopePicker";
import { useAction } from "../ui/useAction";

/** A new role, or one that is changed. */
export function RoleForm({ role, onClose }: { role: RoleRowFragment | null; onClose: () => void }) {
  const { client } = useApi();
  const action = useAction(["name", "description", "scopes"]);
  const [first] = useState(() => ({ description: role?.description ?? "", scopes: role?.scopes ?? [] }));
  const [name, setName] = useState(role?.name ?? "");
  const [description, setDescription] = useState(first.description);
  const [scopes, setScopes] = useState<string[]>(first.scopes);

  async function save() {
    const done = await action.run(() => (role ? update(role.id) : create()));
    if (done) onClose();
  }

  function create() {
    const input = { name: name.trim(), description: description.trim() || null, scopes };
    return client.mutate({ mutation: CreateRoleDocument, variables: { input } });
  }

  function update(roleId: string) {
    const input = {
      roleId,
      ...(description === first.description ? {} : { description: description.trim() || null }),
      ...([...scopes].sort().join() === [...first.scopes].sort().join() ? {} : { scopes }),
    };
    return client.mutate({ mutation: UpdateRoleDocument, variables: { input } });
  }

  return (
    <FormDialog
      title={role ? `Edit ${role.name}` : "Create a role"}
      submit={role ? "Save" : "Create"}
      action={action}
      onSubmit={() => void save()}
      onClose={onClose}
      size="lg"
    >
      {role ? (
        <Text className="quiet">Changes apply to all users with this role at once, also to those who are signed in.</Text>
      ) : (
        <TextInput
          label="Name"
          description="Programs use it. It never changes."
          required
          data-autofocus
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={action.at("name")}
        />
      )}
      <TextInput
        label="Description"
        autoComplete="off"
        value={description}
        onChange={(event) => setDescription(event.currentTarget.value)}
        error={action.at("description")}
      />
      <ScopePicker
        description="You can give the scopes that you hold yourself."
        value={scopes}
        onChange={setScopes}
        error={action.at("scopes")}
      />
    </FormDialog>
  );
}
