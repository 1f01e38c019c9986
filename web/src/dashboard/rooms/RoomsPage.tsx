import { Group, Tabs, Text, TextInput, Title } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import { Link, useSearchParams } from "react-router";
import type { RoomRowFragment, RoomStatus } from "../../gql/graphql";
import { useNow, useRoomCounts, useRoomList } from "../client/hooks";
import { Problem } from "../shell/Problem";
import { baseFilter, comparerOf, orderOf, readShown } from "./filter";
import { LABELS, Status, STATUSES, agentName, exact, sinceOf, span } from "./status";

/** The rooms of one status, kept up to date, with a filter that is part of the link. */
export function RoomsPage() {
  const [parameters, setParameters] = useSearchParams();
  const shown = readShown(parameters);
  const where = baseFilter(shown);
  const counts = useRoomCounts(["STATUS"], where);
  const list = useRoomList({ ...where, status: [shown.status] }, orderOf(shown.status), comparerOf(shown.status));

  function change(name: string, value: string) {
    setParameters(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "") after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  }

  const countOf = (status: RoomStatus) => counts?.find((group) => group.status === status)?.count ?? 0;
  return (
    <>
      <Title order={1} size="h2">
        Rooms
      </Title>
      <Group my="sm" align="end">
        <TextInput
          label="Subject contains"
          value={shown.subject}
          onChange={(event) => change("subject", event.currentTarget.value)}
        />
        <TextInput label="Tag" value={shown.tag} onChange={(event) => change("tag", event.currentTarget.value)} />
      </Group>
      <Tabs value={shown.status} onChange={(status) => change("status", (status ?? "QUEUED").toLowerCase())}>
        <Tabs.List>
          {STATUSES.map((status) => (
            <Tabs.Tab key={status} value={status}>
              {LABELS[status]} {counts && countOf(status).toLocaleString()}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={shown.status} pt="xs">
          {list.problem && <Problem>{list.problem}</Problem>}
          {list.ready && list.rooms.length === 0 ? (
            <Text py="xl" ta="center" className="quiet">
              {shown.status === "QUEUED" ? "Nobody is waiting." : `No room is ${LABELS[shown.status]}.`}
            </Text>
          ) : (
            <RoomTable rooms={list.rooms} />
          )}
          {list.totalCount > list.rooms.length && (
            <Text className="quiet" pt="xs">
              The first {list.rooms.length.toLocaleString()} of {list.totalCount.toLocaleString()}. A filter shows others.
            </Text>
          )}
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

const ROW_PIXELS = 42;

function RoomTable({ rooms }: { rooms: RoomRowFragment[] }) {
  const now = useNow();
  const scrolled = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: rooms.length,
    getScrollElement: () => scrolled.current,
    estimateSize: () => ROW_PIXELS,
    getItemKey: (index) => rooms[index]!.id,
    overscan: 10,
  });
  return (
    <div ref={scrolled} className="rooms" tabIndex={0} role="table" aria-label="Rooms" aria-rowcount={rooms.length + 1}>
      <div role="row" className="header" aria-rowindex={1}>
        <span role="columnheader">Status</span>
        <span role="columnheader">Since</span>
        <span role="columnheader">Subject</span>
        <span role="columnheader" className="wide">
          Visitor
        </span>
        <span role="columnheader" className="wide">
          Department
        </span>
        <span role="columnheader" className="wide">
          Agent
        </span>
      </div>
      <div role="rowgroup" style={{ height: rows.getTotalSize(), position: "relative" }}>
        {rows.getVirtualItems().map(({ key, index, start }) => {
          const room = rooms[index]!;
          return (
            <div
              key={key}
              role="row"
              aria-rowindex={index + 2}
              style={{ position: "absolute", transform: `translateY(${start}px)`, height: ROW_PIXELS }}
            >
              <span role="cell">
                <Status status={room.status} />
              </span>
              <span role="cell" title={exact(sinceOf(room))}>
                {span(sinceOf(room), now)}
              </span>
              <span role="cell">
                <Link to={`/rooms/${room.id}`}>{room.subject ?? "(no subject)"}</Link>
              </span>
              <span role="cell" className="wide">
                {room.visitor.name ?? "(no name)"}
              </span>
              <span role="cell" className="wide">
                {room.department?.name}
              </span>
              <span role="cell" className="wide">
                {agentName(room)}
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
