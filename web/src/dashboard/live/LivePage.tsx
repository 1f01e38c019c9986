import { useQuery } from "@apollo/client/react";
import { Anchor, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useEffect } from "react";
import { Link } from "react-router";
import { FloorDocument, type FloorQuery } from "../../gql/graphql";
import type { FeedEvent } from "../client/feed";
import { useNow, useRoomCounts, type CountGroup } from "../client/hooks";
import { span } from "../rooms/status";
import { useMay, useSession } from "../session/session";
import { EventFeed } from "./EventFeed";

const REFRESH_MILLISECONDS = 500;

/** Are customers waiting, who is serving, and what is happening. */
export function LivePage() {
  const mayReadRooms = useMay("rooms:read");
  const mayReadUsers = useMay("users:read");
  const mayReadEvents = useMay("events:read");
  return (
    <Stack>
      <Title order={1} size="h2">
        Live
      </Title>
      {mayReadRooms && <Tiles />}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Stack>
          {mayReadRooms && <Queue />}
          {mayReadUsers && <Agents />}
        </Stack>
        {mayReadEvents ? (
          <EventFeed />
        ) : (
          <Text className="quiet">This token may not read events.</Text>
        )}
      </SimpleGrid>
    </Stack>
  );
}

function Tiles() {
  const now = useNow();
  const groups = useRoomCounts(["STATUS"], OPEN);
  const of = (status: string) => groups?.find((group) => group.status === status);
  const oldest = of("QUEUED")?.oldestQueuedAt;
  const tiles = [
    { label: "waiting", value: String(of("QUEUED")?.count ?? 0), to: "/rooms?status=queued" },
    { label: "longest wait", value: oldest ? span(oldest, now) : "none", to: "/rooms?status=queued" },
    { label: "served", value: String(of("ASSIGNED")?.count ?? 0), to: "/rooms?status=assigned" },
    { label: "on hold", value: String(of("ON_HOLD")?.count ?? 0), to: "/rooms?status=on_hold" },
  ];
  return (
    <SimpleGrid cols={{ base: 2, sm: 4 }}>
      {tiles.map(({ label, value, to }) => (
        <Paper key={label} withBorder p="sm">
          <Anchor component={Link} to={to} underline="hover" c="inherit">
            <Text className="quiet">{label}</Text>
            <Text fz={32} fw={700} lh={1.2} data-testid={label}>
              {groups === null ? "…" : value}
            </Text>
          </Anchor>
        </Paper>
      ))}
    </SimpleGrid>
  );
}

const OPEN = { status: ["QUEUED" as const, "ASSIGNED" as const, "ON_HOLD" as const] };
const QUEUED = { status: ["QUEUED" as const] };

function Queue() {
  const now = useNow();
  const groups = useRoomCounts(["DEPARTMENT"], QUEUED) ?? [];
  const most = Math.max(1, ...groups.map(({ count }) => count));
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="queue">
      <Title order={2} size="h4" id="queue">
        Queue by department
      </Title>
      {groups.length === 0 && <Text className="quiet">Nobody is waiting.</Text>}
      {groups.map((group) => (
        <div key={group.department?.id ?? ""}>
          <Text>
            <Link to={departmentLink(group)}>{group.department?.name ?? "no department"}</Link>: {group.count}
            {group.oldestQueuedAt && <span className="quiet">, longest {span(group.oldestQueuedAt, now)}</span>}
          </Text>
          <div className="bar" aria-hidden>
            <div style={{ width: `${(100 * group.count) / most}%` }} />
          </div>
        </div>
      ))}
    </Paper>
  );
}

function departmentLink({ department }: CountGroup): string {
  return department ? `/rooms?status=queued&department=${department.id}` : "/rooms?status=queued";
}

type FloorAgent = NonNullable<FloorQuery["agents"]>["nodes"][number];

function Agents() {
  const { feed } = useSession();
  const { data, refetch } = useQuery(FloorDocument);
  // An event that may concern an agent: the list is read again, at most twice a second.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = feed.onEvent((event) => {
      if (!concernsAgents(event)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void refetch();
      }, REFRESH_MILLISECONDS);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [feed, refetch]);
  const agents = data?.agents?.nodes ?? [];
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="agents">
      <Title order={2} size="h4" id="agents">
        Agents
      </Title>
      {data && agents.length === 0 && <Text className="quiet">There is no agent yet.</Text>}
      {agents.map((agent) => (
        <div key={agent.id}>
          <Text>
            {agent.user.name ?? agent.user.username} <span className="quiet">{describe(agent)}</span>
          </Text>
          <div className="bar" aria-hidden>
            <div style={{ width: `${load(agent)}%` }} />
          </div>
        </div>
      ))}
    </Paper>
  );
}

function concernsAgents({ type }: FeedEvent): boolean {
  return /^(AGENT|USER|ROOM_(HELD|RESUMED|CLOSED|TRANSFERRED))/.test(type);
}

function describe({ user, status, openRoomCount, maxRooms }: FloorAgent): string {
  const limit = maxRooms === null || maxRooms === undefined ? "" : ` of ${maxRooms}`;
  const away = status === "AVAILABLE" ? "" : ", not available";
  return `${user.presence.toLowerCase()}${away}, serves ${openRoomCount}${limit}`;
}

function load({ openRoomCount, maxRooms }: FloorAgent): number {
  return maxRooms ? Math.min(100, (100 * openRoomCount) / maxRooms) : openRoomCount > 0 ? 100 : 0;
}
