import { Button, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import { AgentsDocument, type AgentRowFragment, type EventType } from "../../gql/graphql";
import { useMay } from "../session/session";
import { Listing, type Column } from "../ui/Listing";
import { Load } from "../ui/Load";
import { PageHeader } from "../ui/PageHeader";
import { Presence } from "../ui/Presence";
import { Since } from "../ui/Since";
import { Words } from "../ui/Words";
import { useLinkState } from "../ui/useLinkState";
import { useLiveRows } from "../ui/useLiveRows";
import { AddAgent } from "./AddAgent";
import { EditAgent } from "./EditAgent";
import { Filters } from "./Filters";
import { readAgentFilter } from "./filter";
import { RemoveAgent } from "./RemoveAgent";

const TYPES: EventType[] = [
  "AGENT_ADDED",
  "AGENT_UPDATED",
  "AGENT_REMOVED",
  "AGENT_STATUS_CHANGED",
  "USER_UPDATED",
  "USER_PRESENCE_CHANGED",
  "DEPARTMENT_SAVED",
  "AGENT_ASSIGNED",
  "AGENT_UNASSIGNED",
  "ROOM_HELD",
  "ROOM_RESUMED",
];

/** The people and bots who serve rooms. */
export function AgentsPage() {
  const mayRead = useMay("users:read");
  const mayAdd = useMay("agents:write");
  const { push } = useLinkState();
  return (
    <>
      <PageHeader title="Agents" action={mayAdd && <Button onClick={() => push({ open: "new" })}>Add an agent</Button>}>
        The people and bots who serve rooms.
      </PageHeader>
      {mayRead ? <Agents /> : <Text className="quiet">This token may not read agents: it lacks the scope users:read.</Text>}
    </>
  );
}

function Agents() {
  const link = useLinkState();
  const { get, set, push } = link;
  const filter = readAgentFilter(link);
  const mayEdit = useMay("agents:write");
  const mayReadRooms = useMay("rooms:read");
  const list = useLiveRows({
    document: AgentsDocument,
    variables: { where: filter.where, routable: filter.routable },
    page: ({ agents }) =>
      agents && {
        rows: agents.nodes,
        totalCount: agents.totalCount ?? null,
        next: agents.pageInfo.hasNextPage ? agents.pageInfo.endCursor : null,
      },
    types: TYPES,
  });
  const columns: Column<AgentRowFragment>[] = [
    {
      title: "Agent",
      cell: ({ user }) => (
        <>
          <div className="name">{user.name ?? user.username}</div>
          <div className="quiet">
            {user.name && user.username}
            {user.type === "BOT" && " · bot"}
            {!user.active && " · inactive"}
          </div>
        </>
      ),
    },
    { title: "Presence", cell: ({ user }) => <Presence presence={user.presence} /> },
    { title: "Status", cell: (agent) => <Status agent={agent} /> },
    { title: "Rooms", cell: ({ openRoomCount, maxRooms }) => <Load rooms={openRoomCount} limit={maxRooms} /> },
    { title: "Departments", cell: ({ departments }) => <Words words={departments.map(({ name }) => name)} /> },
    { title: "Last room", cell: ({ lastAssignedAt }) => <Since time={lastAssignedAt} /> },
    {
      title: "Actions",
      cell: ({ id, user }) => (
        <Group gap="xs" wrap="nowrap" justify="end" className="actions">
          {mayReadRooms && (
            <Button
              variant="default"
              size="compact-sm"
              component={Link}
              to={`/rooms?status=assigned&filter=agent:${id}`}
              aria-label={`Rooms of ${user.name ?? user.username}`}
            >
              Rooms
            </Button>
          )}
          {mayEdit && (
            <Button
              variant="default"
              size="compact-sm"
              aria-label={`Edit ${user.name ?? user.username}`}
              onClick={() => push({ open: "edit", agent: id })}
            >
              Edit
            </Button>
          )}
        </Group>
      ),
    },
  ];

  const close = () => {
    set({ open: "", agent: "" });
    void list.refresh();
  };
  return (
    <>
      <Filters />
      <Listing
        label="Agents"
        list={list}
        columns={columns}
        keyOf={({ id }) => id}
        isQuiet={({ user }) => !user.active}
        empty={
          filter.isNarrow ? (
            <Text>No agent is like that.</Text>
          ) : (
            <>
              <Text>Nobody serves rooms yet.</Text>
              <Text>Add an agent: a person with a password, or a bot that an app speaks for.</Text>
            </>
          )
        }
      />
      {mayEdit && get("open") === "new" && <AddAgent onClose={close} />}
      {mayEdit && get("open") === "edit" && <EditAgent key={get("agent")} id={get("agent")} onClose={close} />}
      {mayEdit && get("open") === "remove" && <RemoveAgent id={get("agent")} onClose={close} />}
    </>
  );
}

/** Whether the agent wants rooms, and what keeps routing from offering one. */
function Status({ agent }: { agent: AgentRowFragment }) {
  const { status, acceptsRouting, routable, openRoomCount, maxRooms, user } = agent;
  const full = maxRooms !== null && maxRooms !== undefined && openRoomCount >= maxRooms;
  const notes = [
    !acceptsRouting && "no rooms from routing",
    status === "AVAILABLE" && user.active && full && "at the limit",
  ].filter(Boolean);
  return (
    <>
      <span>
        {routable && (
          <span aria-hidden className="presence ONLINE">
            ✓{" "}
          </span>
        )}
        {status === "AVAILABLE" ? "available" : "not available"}
      </span>
      {notes.map((note) => (
        <div key={String(note)} className="quiet">
          {note}
        </div>
      ))}
    </>
  );
}
