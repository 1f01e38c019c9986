import { Button, Group, Switch, Text } from "@mantine/core";
import { useEffect } from "react";
import { AppsDocument, type AppRowFragment, type EventType } from "../../gql/graphql";
import { useMay, useSession } from "../session/session";
import { Listing, type Column } from "../ui/Listing";
import { PageHeader } from "../ui/PageHeader";
import { Since } from "../ui/Since";
import { Words } from "../ui/Words";
import { useLinkState } from "../ui/useLinkState";
import { useLiveRows, type LiveRows } from "../ui/useLiveRows";
import { Consumers } from "./Consumers";
import "./apps.css";
import { CreateApp } from "./CreateApp";
import { RevokeApp } from "./RevokeApp";
import { RotateToken } from "./RotateToken";
import { Webhooks } from "./Webhooks";

const TYPES: EventType[] = ["APP_CREATED", "APP_TOKEN_ROTATED", "APP_REVOKED"];
/** No event says that a token was used. */
const LAST_USE_READ_EVERY_MILLISECONDS = 20_000;

/** Programs that use the API, and the consumers and webhooks by which they read events. */
export function AppsPage() {
  const mayWrite = useMay("apps:write");
  const mayReadEvents = useMay("events:read");
  const mayWriteWebhooks = useMay("webhooks:write");
  const { push } = useLinkState();
  return (
    <>
      <PageHeader
        title="Apps"
        action={mayWrite && <Button onClick={() => push({ open: "new" })}>Create an app</Button>}
      >
        Programs that use the API. Each has a token with the scopes that it needs.
      </PageHeader>
      {mayWrite ? <Apps /> : <Text className="quiet">This token may not read apps: it lacks the scope apps:write.</Text>}
      {mayReadEvents ? (
        <Consumers />
      ) : (
        <Text className="quiet" mt="xl">
          This token may not read consumers: it lacks the scope events:read.
        </Text>
      )}
      {mayWriteWebhooks && <Webhooks />}
    </>
  );
}

function Apps() {
  const { get, set, push } = useLinkState();
  const { viewer } = useSession();
  const showsRevoked = get("revoked") === "yes";
  const list = useLiveRows({
    document: AppsDocument,
    variables: {},
    page: ({ apps }) => (apps ? { rows: apps } : null),
    types: TYPES,
  });
  const { refresh } = list;
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && void refresh(), LAST_USE_READ_EVERY_MILLISECONDS);
    return () => clearInterval(timer);
  });

  const all = list.rows ?? [];
  const revoked = all.filter(({ active }) => !active);
  const shown: LiveRows<AppRowFragment> = {
    ...list,
    rows: list.rows && (showsRevoked ? [...all.filter(({ active }) => active), ...revoked] : all.filter(({ active }) => active)),
  };
  const columns: Column<AppRowFragment>[] = [
    {
      title: "App",
      cell: ({ id, name, active }) => (
        <span className="name">
          {name} {!active && <span className="quiet">(revoked)</span>}
          {id === viewer.id && <span className="quiet">(you)</span>}
        </span>
      ),
    },
    { title: "Scopes", cell: ({ scopes }) => <Words words={scopes} /> },
    { title: "Created", cell: ({ createdAt }) => <Since time={createdAt} /> },
    { title: "Last used", cell: ({ lastUsedAt }) => <Since time={lastUsedAt} /> },
    {
      title: "Actions",
      cell: ({ id, name, active }) =>
        active && (
          <Group gap="xs" wrap="nowrap" justify="end" className="actions">
            <Button
              variant="default"
              size="compact-sm"
              aria-label={`New token for ${name}`}
              onClick={() => push({ open: "rotate", app: id })}
            >
              New token
            </Button>
            <Button
              variant="default"
              size="compact-sm"
              aria-label={`Revoke ${name}`}
              onClick={() => push({ open: "revoke", app: id })}
            >
              Revoke
            </Button>
          </Group>
        ),
    },
  ];

  const close = () => {
    set({ open: "", app: "" });
    void refresh();
  };
  const chosen = all.find(({ id, active }) => active && id === get("app"));
  return (
    <>
      <Listing
        label="Apps"
        list={shown}
        columns={columns}
        keyOf={({ id }) => id}
        isQuiet={({ active }) => !active}
        empty={
          <>
            <Text>No program uses the API yet.</Text>
            <Text>Create an app: you get a token for it, and a line of code that uses the token.</Text>
          </>
        }
      />
      {revoked.length > 0 && (
        <Switch
          mt="sm"
          label={`Show revoked apps (${revoked.length})`}
          checked={showsRevoked}
          onChange={(event) => set({ revoked: event.currentTarget.checked ? "yes" : "" })}
        />
      )}
      {get("open") === "new" && <CreateApp onClose={close} />}
      {get("open") === "rotate" && chosen && <RotateToken app={chosen} onClose={close} />}
      {get("open") === "revoke" && chosen && <RevokeApp app={chosen} onClose={close} />}
    </>
  );
}
