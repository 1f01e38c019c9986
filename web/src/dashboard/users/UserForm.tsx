import { useQuery } from "@apollo/client/react";
import { Button, MultiSelect, PasswordInput, TagsInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import {
  CreateUserDocument,
  GiveRolesDocument,
  OneUserDocument,
  SetActiveDocument,
  TakeRolesDocument,
  UpdateUserDocument,
  type FieldRowFragment,
  type UserRowFragment,
} from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useMay, useSession } from "../session/session";
import { Dialog } from "../ui/Dialog";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { useLinkState } from "../ui/useLinkState";
import { FieldInput } from "./FieldInput";
import type { FieldValue } from "./fieldValues";
import { useRoleNames } from "./useRoleNames";

interface UserFormProps {
  /** Null: a new user. */
  id: string | null;
  fields: readonly FieldRowFragment[];
  onClose: () => void;
}

/** A new user, or one who is changed. The user is read again first, because the link may be older than the list. */
export function UserForm({ id, fields, onClose }: UserFormProps) {
  const { data, error, loading } = useQuery(OneUserDocument, {
    variables: { id: id ?? "" },
    skip: id === null,
    fetchPolicy: "network-only",
    errorPolicy: "all",
  });
  if (id === null) return <Form user={null} fields={fields} onClose={onClose} />;
  if (data?.user) return <Form user={data.user} fields={fields} onClose={onClose} />;
  return (
    <Dialog title="Edit a user" onClose={onClose}>
      <Text className="quiet">{loading ? "Reading …" : (error?.message ?? "There is no such user.")}</Text>
    </Dialog>
  );
}

type Values = ReturnType<typeof valuesOf>;

function Form({ user, fields, onClose }: Omit<UserFormProps, "id"> & { user: UserRowFragment | null }) {
  const { client } = useApi();
  const { viewer } = useSession();
  const { push } = useLinkState();
  const mayGiveRoles = useMay("roles:write");
  const roles = useRoleNames();
  const action = useAction(["username", "name", "emails", "password", "roles", ...fields.map(({ key }) => key)], {
    UNKNOWN_ROLE: "roles",
  });
  const [first] = useState(() => valuesOf(user));
  const [values, setValues] = useState(first);
  const [created, setCreated] = useState(false);
  const change = (changed: Partial<Values>) => setValues((before) => ({ ...before, ...changed }));

  /** Only what was changed here: somebody else may have changed the rest meanwhile. */
  function changedValues() {
    const { username, name, emails, password, customFields } = values;
    const changedFields = fields
      .filter(({ key }) => JSON.stringify(customFields[key] ?? null) !== JSON.stringify(first.customFields[key] ?? null))
      .map(({ key }) => ({ key, value: customFields[key] ?? null }));
    return {
      ...(username === first.username ? {} : { username: username.trim() }),
      ...(name === first.name ? {} : { name: name.trim() || null }),
      ...(emails.join("\n") === first.emails.join("\n") ? {} : { emails }),
      ...(password === "" ? {} : { password }),
      ...(changedFields.length === 0 ? {} : { customFields: changedFields }),
    };
  }

  async function save() {
    const done = await action.run(async () => {
      const input = changedValues();
      if (user === null) {
        const roleNames = values.roles.length === 0 ? {} : { roles: values.roles };
        await client.mutate({
          mutation: CreateUserDocument,
          variables: { input: { ...input, username: values.username.trim(), ...roleNames } },
        });
        setCreated(true);
        return;
      }
      if (Object.keys(input).length > 0)
        await client.mutate({ mutation: UpdateUserDocument, variables: { input: { userId: user.id, ...input } } });
      const given = values.roles.filter((role) => !first.roles.includes(role));
      const taken = first.roles.filter((role) => !values.roles.includes(role));
      if (given.length > 0) await client.mutate({ mutation: GiveRolesDocument, variables: { user: user.id, roles: given } });
      if (taken.length > 0) await client.mutate({ mutation: TakeRolesDocument, variables: { user: user.id, roles: taken } });
    });
    if (done) onClose();
  }

  async function activate(userId: string) {
    const done = await action.run(() => client.mutate({ mutation: SetActiveDocument, variables: { user: userId, active: true } }));
    if (done) onClose();
  }

  const offered = roles.filter(({ scopes, name }) => values.roles.includes(name) || scopes.every((scope) => viewer.scopes.includes(scope)));
  return (
    <FormDialog
      title={user ? `Edit ${user.name ?? user.username}` : "Create a user"}
      submit={user ? "Save" : "Create"}
      action={action}
      disabled={created}
      onSubmit={() => void save()}
      onClose={onClose}
      aside={
        user && (
          <Button variant="default" onClick={() => (user.active ? push({ open: "deactivate" }) : void activate(user.id))}>
            {user.active ? "Deactivate …" : "Activate"}
          </Button>
        )
      }
    >
      {user && !user.active && <Text className="quiet">The user is inactive: no sign-in, and no rooms.</Text>}
      <TextInput
        label="Username"
        required
        data-autofocus
        autoComplete="off"
        value={values.username}
        onChange={(event) => change({ username: event.currentTarget.value })}
        error={action.at("username")}
      />
      <TextInput
        label="Name"
        autoComplete="off"
        value={values.name}
        onChange={(event) => change({ name: event.currentTarget.value })}
        error={action.at("name")}
      />
      <TagsInput
        label="Emails"
        description="Type each one and press Enter."
        value={values.emails}
        onChange={(emails) => change({ emails })}
        acceptValueOnBlur
        error={action.at("emails")}
        clearButtonProps={{ "aria-label": "Remove all emails" }}
      />
      <PasswordInput
        label={user ? "New password" : "Password"}
        description={user ? "Empty: it stays as it is." : "Without one the user cannot sign in."}
        autoComplete="new-password"
        value={values.password}
        onChange={(event) => change({ password: event.currentTarget.value })}
        error={action.at("password")}
        visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
      />
      {mayGiveRoles && (
        <MultiSelect
          label="Roles"
          description="Roles with scopes that you lack are not offered."
          searchable
          data={offered.map(({ name }) => name)}
          value={values.roles}
          onChange={(chosen) => change({ roles: chosen })}
          error={action.at("roles")}
          comboboxProps={{ withinPortal: false }}
          clearButtonProps={{ "aria-label": "Remove all roles" }}
        />
      )}
      {fields.map((definition) => (
        <FieldInput
          key={definition.id}
          definition={definition}
          value={values.customFields[definition.key] ?? null}
          onChange={(value) => change({ customFields: { ...values.customFields, [definition.key]: value } })}
          error={action.at(definition.key)}
        />
      ))}
    </FormDialog>
  );
}

function valuesOf(user: UserRowFragment | null) {
  const customFields: Record<string, FieldValue | null> = {};
  for (const { key, value } of user?.customFields ?? []) customFields[key] = value;
  return {
    username: user?.username ?? "",
    name: user?.name ?? "",
    emails: [...(user?.emails ?? [])],
    password: "",
    roles: (user?.roles ?? []).map(({ name }) => name),
    customFields,
  };
}
