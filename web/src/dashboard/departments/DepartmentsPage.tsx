import { Button, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import { DepartmentsDocument, type DepartmentsQuery, type EventType } from "../../gql/graphql";
import { useNow, useRoomCounts, type CountGroup } from "../client/hooks";
import { exact, span } from "../rooms/status";
import { useMay } from "../session/session";
import { Listing, type Column } from "../ui/Listing";
import { PageHeader } from "../ui/PageHeader";
import { useLinkState } from "../ui/useLinkState";
import { useLiveRows } from "../ui/useLiveRows";
import { DepartmentForm } from "./DepartmentForm";
import { describeRouting } from "./routing";
import { useRoutableCounts } from "./useRoutableCounts";

export type DepartmentRow = NonNullable<DepartmentsQuery["departments"]>[number];

const TYPES: EventType[] = ["DEPARTMENT_SAVED", "AGENT_ADDED", "AGENT_UPDATED", "AGENT_REMOVED", "AGENT_STATUS_CHANGED", "USER_UPDATED"];
const QUEUED = { status: ["QUEUED" as const] };

/** The departments, who serves them, and who waits in them. */
export function DepartmentsPage() {
  const mayRead = useMay("users:read");
  const mayAdd = useMay("departments:write");
  const mayReadRooms = useMay("rooms:read");
  const { push } = useLinkState();
  return (
    <>
      <PageHeader
        title="Departments"
        action={mayRead && mayAdd && <Button onClick={() => push({ open: "new" })}>Add a department</Button>}
      >
        Groups of agents with a queue of their own.
      </PageHeader>
      {!mayRead && <Text className="quiet">This token may not read departments: it lacks the scope users:read.</Text>}
      {mayRead && (mayReadRooms ? <WithQueues /> : <Departments queues={null} />)}
    </>
  );
}

function WithQueues() {
  return <Departments queues={useRoomCounts(["DEPARTMENT"], QUEUED) ?? []} />;
}

/** `queues`: null if the token may not read rooms. */
function Departments({ queues }: { queues: CountGroup[] | null }) {
  const { get, set, push } = useLinkState();
  const now = useNow();
  const mayEdit = useMay("departments:write");
  const list = useLiveRows({
    document: DepartmentsDocument,
    variables: {},
    page: ({ departments }) =>
      departments && { rows: [...departments].sort((one, other) => one.name.localeCompare(other.name)) },
    types: TYPES,
  });
  const routable = useRoutableCounts();
  const queueOf = (id: string) => queues?.find(({ department }) => department?.id === id);
  const columns: Column<DepartmentRow>[] = [
    {
      title: "Department",
      cell: ({ name, enabled }) => (
        <>
          <span className="name">{name}</span>
          {!enabled && <div className="quiet">disabled: takes no new rooms</div>}
        </>
      ),
    },
    ...(queues === null
      ? []
      : [
          {
            title: "Waiting",
            cell: ({ id }: DepartmentRow) => {
              const queue = queueOf(id);
              return queue ? (
                <Link to={`/rooms?status=queued&filter=department:${id}`} className="status QUEUED">
                  {queue.count.toLocaleString()}
                </Link>
              ) : (
                <span className="quiet">nobody</span>
              );
            },
          },
          {
            title: "Longest wait",
            cell: ({ id }: DepartmentRow) => {
              const since = queueOf(id)?.oldestQueuedAt;
              return since ? <time dateTime={since} title={exact(since)}>{span(since, now)}</time> : <span className="quiet">none</span>;
            },
          },
        ]),
    {
      title: "Agents",
      cell: ({ id, agents }) => (
        <>
          <Link to={`/agents?department=${id}`}>{(agents?.totalCount ?? 0).toLocaleString()}</Link>
          <span className="quiet">
            {routable && agents?.totalCount ? `, ${routable.get(id) ?? 0} can take a room` : ""}
          </span>
        </>
      ),
    },
    { title: "Routing", cell: (department) => describeRouting(department) },
    {
      title: "Actions",
      cell: ({ id, name }) =>
        mayEdit && (
          <Group gap="xs" justify="end" className="actions">
            <Button
              variant="default"
              size="compact-sm"
              aria-label={`Edit ${name}`}
              onClick={() => push({ open: "edit", department: id })}
            >
              Edit
            </Button>
          </Group>
        ),
    },
  ];
  const close = () => {
    set({ open: "", department: "" });
    void list.refresh();
  };
  const chosen = list.rows?.find(({ id }) => id === get("department")) ?? null;
  return (
    <>
      <Listing
        label="Departments"
        list={list}
        columns={columns}
        keyOf={({ id }) => id}
        isQuiet={({ enabled }) => !enabled}
        empty={
          <>
            <Text>There is no department. Every room waits in one queue for all agents.</Text>
            <Text>Add a department if some rooms are for some agents alone.</Text>
          </>
        }
      />
      {mayEdit && get("open") === "new" && <DepartmentForm department={null} onClose={close} />}
      {mayEdit && get("open") === "edit" && chosen && <DepartmentForm key={chosen.id} department={chosen} onClose={close} />}
    </>
  );
}
