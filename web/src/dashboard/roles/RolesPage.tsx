import { Button, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import { RolesDocument, type EventType, type RoleRowFragment } from "../../gql/graphql";
import { useMay } from "../session/session";
import { Listing, type Column } from "../ui/Listing";
import { PageHeader } from "../ui/PageHeader";
import { sortedScopes } from "../ui/scopes";
import { Words } from "../ui/Words";
import { useLinkState } from "../ui/useLinkState";
import { useLiveRows } from "../ui/useLiveRows";
import { RoleForm } from "./RoleForm";

const TYPES: EventType[] = ["ROLE_CREATED", "ROLE_UPDATED"];

/** What the users who hold a role may do. */
export function RolesPage() {
  const mayRead = useMay("users:read");
  const mayEdit = useMay("roles:write");
  const { push } = useLinkState();
  return (
    <>
      <PageHeader
        title="Roles"
        action={mayRead && mayEdit && <Button onClick={() => push({ open: "new" })}>Create a role</Button>}
      >
        What the users who hold a role may do. A user may hold several.
      </PageHeader>
      {mayRead ? <Roles /> : <Text className="quiet">This token may not read roles: it lacks the scope users:read.</Text>}
    </>
  );
}

function Roles() {
  const { get, set, push } = useLinkState();
  const mayEdit = useMay("roles:write");
  const list = useLiveRows({
    document: RolesDocument,
    variables: {},
    page: ({ roles }) => roles && { rows: [...roles].sort(byKindAndName) },
    types: TYPES,
  });
  const columns: Column<RoleRowFragment>[] = [
    {
      title: "Role",
      cell: ({ name, description, builtIn }) => (
        <>
          <div>
            <span className="name">{name}</span> {builtIn && <span className="quiet">built in</span>}
          </div>
          {description && <div className="quiet">{description}</div>}
        </>
      ),
    },
    { title: "Scopes", cell: ({ scopes }) => <Words words={sortedScopes(scopes)} /> },
    {
      title: "Actions",
      cell: ({ id, name, builtIn }) => (
        <Group gap="xs" wrap="nowrap" justify="end" className="actions">
          <Button
            variant="default"
            size="compact-sm"
            component={Link}
            to={`/users?role=${encodeURIComponent(name)}`}
            aria-label={`Users with the role ${name}`}
          >
            Users
          </Button>
          {mayEdit && !builtIn && (
            <Button variant="default" size="compact-sm" aria-label={`Edit ${name}`} onClick={() => push({ open: "edit", role: id })}>
              Edit
            </Button>
          )}
        </Group>
      ),
    },
  ];
  const close = () => {
    set({ open: "", role: "" });
    void list.refresh();
  };
  const chosen = list.rows?.find(({ id, builtIn }) => !builtIn && id === get("role")) ?? null;
  return (
    <>
      <Listing label="Roles" list={list} columns={columns} keyOf={({ id }) => id} empty={<Text>There is no role.</Text>} />
      {mayEdit && get("open") === "new" && <RoleForm role={null} onClose={close} />}
      {mayEdit && get("open") === "edit" && chosen && <RoleForm key={chosen.id} role={chosen} onClose={close} />}
    </>
  );
}

/** The roles of this deployment first: the others are always the same. */
function byKindAndName(one: RoleRowFragment, other: RoleRowFragment): number {
  return Number(one.builtIn) - Number(other.builtIn) || one.name.localeCompare(other.name);
}
