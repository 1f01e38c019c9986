import { AppShell, Burger, Button, Group, NavLink, Text, VisuallyHidden } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useApolloClient } from "@apollo/client/react";
import { useEffect } from "react";
import { Link, Outlet, useLocation } from "react-router";
import { LogoutDocument } from "../../gql/graphql";
import { page } from "../../shared/page";
import { useRoomCounts } from "../client/hooks";
import { KeyList } from "../keyboard/KeyList";
import { SampleNotice } from "../samples/SampleNotice";
import { useMay, useSession } from "../session/session";
import { ConnectionState } from "./ConnectionState";
import { OPEN, OpenCountsContext } from "./openCounts";
import { PageBoundary } from "./PageBoundary";
import { ThemeSwitch } from "./ThemeSwitch";

interface PageLink {
  path: string;
  label: string;
  /** A short text beside the label. */
  note?: string;
}

/** The frame of every page: navigation, the state of the connection, and who is signed in. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const { viewer, signOut } = useSession();
  const client = useApolloClient();
  const { pathname } = useLocation();
  const mayReadRooms = useMay("rooms:read");
  const mayReadUsers = useMay("users:read");
  const mayReadEvents = useMay("events:read");
  const mayWriteApps = useMay("apps:write");
  const counts = useRoomCounts(["STATUS"], mayReadRooms ? OPEN : null);
  const waiting = counts?.find(({ status }) => status === "QUEUED")?.count ?? 0;
  const isRoom = pathname.startsWith("/rooms/");
  useEffect(() => {
    // The page of a room has a title of its own.
    if (!isRoom) document.title = waiting > 0 ? `(${waiting}) Switchboard` : "Switchboard";
  }, [isRoom, waiting]);
  const pages: PageLink[] = [
    { path: "/", label: "Live" },
    ...(mayReadRooms ? [{ path: "/rooms", label: "Rooms", note: waiting > 0 ? waiting.toLocaleString() : "" }] : []),
    ...(mayReadUsers
      ? [
          { path: "/agents", label: "Agents" },
          { path: "/departments", label: "Departments" },
          { path: "/users", label: "Users" },
          { path: "/roles", label: "Roles" },
        ]
      : []),
    { path: "/fields", label: "Custom fields" },
    ...(mayWriteApps || mayReadEvents ? [{ path: "/apps", label: "Apps" }] : []),
  ];

  async function leave() {
    // The token of an app has no session to end.
    if (viewer.type === "USER") await client.mutate({ mutation: LogoutDocument }).catch(() => undefined);
    signOut();
  }

  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 170, breakpoint: "sm", collapsed: { mobile: !opened } }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label="Navigation"
              aria-expanded={opened}
            />
            <Text fw={700} visibleFrom="xs">
              Switchboard
            </Text>
          </Group>
          <Group gap="sm" wrap="nowrap">
            <ConnectionState />
            <ThemeSwitch />
            <Text visibleFrom="sm">{viewer.name ?? viewer.type.toLowerCase()}</Text>
            <Button variant="default" size="compact-sm" onClick={() => void leave()}>
              Sign out
            </Button>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        {pages.map(({ path, label, note = "" }: PageLink) => (
          <NavLink
            key={path}
            component={Link}
            to={path}
            label={label}
            rightSection={
              note && (
                <span className="nav-note">
                  {note}
                  <VisuallyHidden> waiting</VisuallyHidden>
                </span>
              )
            }
            active={path === "/" ? pathname === "/" : pathname.startsWith(path)}
            aria-current={path === pathname ? "page" : undefined}
            onClick={close}
          />
        ))}
        {page.graphiql && <NavLink component="a" href={`${page.base}/graphql#${examplesFor(pathname)}`} label="API" />}
        {page.chat && (
          <NavLink component="a" href={`${page.base}/chat`} target="_blank" rel="noreferrer" label="Chat as a visitor" />
        )}
      </AppShell.Navbar>
      <AppShell.Main>
        <SampleNotice />
        <OpenCountsContext value={counts}>
          <PageBoundary key={pathname.split("/")[1]}>
            <Outlet />
          </PageBoundary>
        </OpenCountsContext>
        <KeyList />
      </AppShell.Main>
    </AppShell>
  );
}

/** The examples of GraphiQL for a page: the part of the address after "#". */
function examplesFor(pathname: string): string {
  const [section, id] = pathname.split("/").slice(1);
  if (section === "rooms" && id) return `conversation/${id}`;
  return EXAMPLES[section ?? ""] ?? "overview";
}

const EXAMPLES: Record<string, string> = {
  "": "live",
  rooms: "live",
  agents: "agents",
  users: "users",
  fields: "fields",
  roles: "users",
  departments: "decide",
  apps: "apps",
  consumers: "consumers",
};
