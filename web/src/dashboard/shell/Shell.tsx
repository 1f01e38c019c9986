import { AppShell, Burger, Button, Group, NavLink, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useApolloClient } from "@apollo/client/react";
import { Link, Outlet, useLocation } from "react-router";
import { LogoutDocument } from "../../gql/graphql";
import { page } from "../../shared/page";
import { useMay, useSession } from "../session/session";
import { ConnectionState } from "./ConnectionState";
import { ThemeSwitch } from "./ThemeSwitch";

/** The frame of every page: navigation, the state of the connection, and who is signed in. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const { viewer, signOut } = useSession();
  const client = useApolloClient();
  const { pathname } = useLocation();
  const mayReadRooms = useMay("rooms:read");
  const pages = [
    { path: "/", label: "Live" },
    ...(mayReadRooms ? [{ path: "/rooms", label: "Rooms" }] : []),
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
        {pages.map(({ path, label }) => (
          <NavLink
            key={path}
            component={Link}
            to={path}
            label={label}
            active={path === "/" ? pathname === "/" : pathname.startsWith(path)}
            aria-current={path === pathname ? "page" : undefined}
            onClick={close}
          />
        ))}
        {page.graphiql && <NavLink component="a" href={`${page.base}/graphql`} label="API" />}
        {page.chat && (
          <NavLink component="a" href={`${page.base}/chat`} target="_blank" rel="noreferrer" label="Chat as a visitor" />
        )}
      </AppShell.Navbar>
      <AppShell.Main>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}
