import { useQuery } from "@apollo/client/react";
import { Button, Group, NativeSelect, Switch, Text, TextInput } from "@mantine/core";
import { Link } from "react-router";
import {
  UserFieldsDocument,
  UsersDocument,
  type EventType,
  type FieldRowFragment,
  type UserFilter,
  type UserRowFragment,
} from "../../gql/graphql";
import { useMay } from "../session/session";
import { Listing, type Column } from "../ui/Listing";
import { PageHeader } from "../ui/PageHeader";
import { Presence } from "../ui/Presence";
import { Words } from "../ui/Words";
import { useLinkState, type LinkState } from "../ui/useLinkState";
import { useLiveRows } from "../ui/useLiveRows";
import { DeactivateUser } from "./DeactivateUser";
import { conditionOf, shownValue } from "./fieldValues";
import { useRoleNames } from "./useRoleNames";
import { UserForm } from "./UserForm";

const TYPES: EventType[] = [
  "USER_CREATED",
  "USER_UPDATED",
  "USER_ROLES_CHANGED",
  "USER_PRESENCE_CHANGED",
  "AGENT_ADDED",
  "AGENT_REMOVED",
  "CUSTOM_FIELD_REMOVED",
];

/** Everybody who can sign in or serve, people and bots, found by names, roles and custom fields. */
export function UsersPage() {
  const mayRead = useMay("users:read");
  const mayEdit = useMay("users:write");
  const { push } = useLinkState();
  return (
    <>
      <PageHeader title="Users" action={mayRead && mayEdit && <Button onClick={() => push({ open: "new" })}>Create a user</Button>}>
        People and bots. Agents are users who serve rooms.
      </PageHeader>
      {mayRead ? <Fields /> : <Text className="quiet">This token may not read users: it lacks the scope users:read.</Text>}
    </>
  );
}

/** A filter by a custom field needs its type. */
function Fields() {
  const { data, error } = useQuery(UserFieldsDocument, { fetchPolicy: "cache-and-network", errorPolicy: "all" });
  if (!data && !error) return <Text className="quiet">Reading …</Text>;
  return <Users fields={data?.customFieldDefinitions ?? []} />;
}

function Users({ fields }: { fields: readonly FieldRowFragment[] }) {
  const link = useLinkState();
  const { get, set, push } = link;
  const mayEdit = useMay("users:write");
  const list = useLiveRows({
    document: UsersDocument,
    variables: { where: readFilter(link, fields) },
    page: ({ users }) =>
      users && {
        rows: users.nodes,
        totalCount: users.totalCount ?? null,
        next: users.pageInfo.hasNextPage ? users.pageInfo.endCursor : null,
      },
    types: TYPES,
  });
  const labels = new Map(fields.map(({ key, label }) => [key, label]));
  const columns: Column<UserRowFragment>[] = [
    {
      title: "User",
      cell: ({ username, name, emails, type, active }) => (
        <>
          <div className="name">{name ?? username}</div>
          <div className="quiet">
            {[name ? username : null, ...emails, type === "USER" ? null : type.toLowerCase(), active ? null : "inactive"]
              .filter(Boolean)
              .join(" · ")}
          </div>
        </>
      ),
    },
    { title: "Presence", cell: ({ presence }) => <Presence presence={presence} /> },
    { title: "Roles", cell: ({ roles }) => <Words words={roles.map(({ name }) => name)} /> },
    {
      title: "Custom fields",
      cell: ({ customFields }) =>
        customFields.length === 0 ? (
          <span className="quiet">none</span>
        ) : (
          customFields.map(({ key, value }) => (
            <div key={key}>
              <span className="quiet">{labels.get(key) ?? key}</span> {shownValue(value)}
            </div>
          ))
        ),
    },
    {
      title: "Actions",
      cell: ({ id, username, name, agent }) => (
        <Group gap="xs" wrap="nowrap" justify="end" className="actions">
          {agent && (
            <Button
              variant="default"
              size="compact-sm"
              component={Link}
              to={`/agents?text=${encodeURIComponent(username)}&active=all`}
              aria-label={`Agent ${name ?? username}`}
            >
              Agent
            </Button>
          )}
          {mayEdit && (
            <Button variant="default" size="compact-sm" aria-label={`Edit ${name ?? username}`} onClick={() => push({ open: "edit", user: id })}>
              Edit
            </Button>
          )}
        </Group>
      ),
    },
  ];
  const close = () => {
    set({ open: "", user: "" });
    void list.refresh();
  };
  return (
    <>
      <Filters fields={fields} />
      <Listing
        label="Users"
        list={list}
        columns={columns}
        keyOf={({ id }) => id}
        isQuiet={({ active }) => !active}
        empty={isNarrow(link) ? <Text>No user is like that.</Text> : <Text>There is no user yet. Create one, or add an agent.</Text>}
      />
      {mayEdit && get("open") === "new" && <UserForm id={null} fields={fields} onClose={close} />}
      {mayEdit && get("open") === "deactivate" && <DeactivateUser id={get("user")} onClose={close} />}
      {mayEdit && get("open") === "edit" && <UserForm key={get("user")} id={get("user")} fields={fields} onClose={close} />}
    </>
  );
}

function Filters({ fields }: { fields: readonly FieldRowFragment[] }) {
  const link = useLinkState();
  const { get, set } = link;
  const roles = useRoleNames();
  const field = fields.find(({ key }) => key === get("field"));
  return (
    <Group align="end" gap="sm" mb="md" className="filters" role="search" aria-label="Users">
      <TextInput label="Name or email" value={get("text")} onChange={(event) => set({ text: event.currentTarget.value })} />
      <NativeSelect
        label="Role"
        value={get("role")}
        onChange={(event) => set({ role: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...roles.map(({ name }) => ({ value: name, label: name }))]}
      />
      {fields.length > 0 && (
        <NativeSelect
          label="Custom field"
          value={field?.key ?? ""}
          onChange={(event) => set({ field: event.currentTarget.value, value: "" })}
          data={[{ value: "", label: "any" }, ...fields.map(({ key, label }) => ({ value: key, label }))]}
        />
      )}
      {field && (
        <TextInput
          label={`${field.label} is`}
          placeholder="any value"
          value={get("value")}
          onChange={(event) => set({ value: event.currentTarget.value })}
        />
      )}
      <Switch
        label="Inactive, too"
        checked={get("active") === "all"}
        onChange={(event) => set({ active: event.currentTarget.checked ? "all" : "" })}
        pb={8}
      />
      {isNarrow(link) && (
        <Button variant="default" size="compact-sm" mb={6} onClick={() => set({ text: "", role: "", field: "", value: "" })}>
          Clear
        </Button>
      )}
    </Group>
  );
}

function readFilter({ get }: LinkState, fields: readonly FieldRowFragment[]): UserFilter {
  const conditions: UserFilter[] = [];
  const contains = { contains: get("text").trim(), ignoreCase: true };
  if (contains.contains !== "") conditions.push({ or: [{ username: contains }, { name: contains }, { email: contains }] });
  if (get("role") !== "") conditions.push({ hasRoles: [get("role")] });
  if (get("active") !== "all") conditions.push({ active: true });
  const field = fields.find(({ key }) => key === get("field"));
  if (field) {
    const condition = get("value") === "" ? { key: field.key, exists: true } : conditionOf(field, get("value"));
    conditions.push({ customFields: [condition] });
  }
  return { and: conditions };
}

function isNarrow({ get }: LinkState): boolean {
  return ["text", "role", "field"].some((name) => get(name) !== "");
}
