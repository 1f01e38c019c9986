import { Button, Checkbox, Group, NativeSelect, Popover, Stack, Tabs, Text, Title } from "@mantine/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import type { RoomStatus } from "../../gql/graphql";
import { useRoomCounts } from "../client/hooks";
import { useMay, useSession } from "../session/session";
import { Problem } from "../shell/Problem";
import { useLinkState } from "../ui/useLinkState";
import { BulkActions } from "./BulkActions";
import { chosenColumns, columnsFor, type Column } from "./columns";
import { FilterBar } from "./filter/FilterBar";
import { useFilter } from "./filter/useFilter";
import { comparerOf, inputOf, ordersWith, printOrder, readOrder } from "./orders";
import { rememberList } from "./places";
import { RoomTable } from "./RoomTable";
import { LABELS, STATUSES } from "./status";
import { usePagedRooms } from "./usePagedRooms";

/** The rooms of one status or of all, kept up to date. Status, filter, order and columns are in the link. */
export function RoomsPage() {
  const [parameters] = useSearchParams();
  const link = useLinkState();
  const { viewer } = useSession();
  const messages = useMay("messages:read");
  const mayWrite = useMay("rooms:write");
  const mayAssign = useMay("rooms:assign");
  const filter = useFilter();
  const { fields } = filter.known;
  const status = readStatus(parameters.get("status"));
  const counts = useRoomCounts(["STATUS"], filter.where);
  const orders = useMemo(() => ordersWith(fields), [fields]);
  const order = parameters.get("sort");
  const chosen = useMemo(() => readOrder(order, orders, status), [order, orders, status]);
  const compare = useMemo(() => comparerOf(chosen), [chosen]);
  const isOrdered = filter.knowsFields || !order?.includes("field.");
  const where = isOrdered ? filter.where && (status ? { ...filter.where, status: [status] } : filter.where) : null;
  const list = usePagedRooms(where, inputOf(chosen), compare, messages);
  const all = useMemo(() => columnsFor(status, fields, messages), [status, fields, messages]);
  const shown = parameters.get("columns");
  const columns = useMemo(() => chosenColumns(shown, all, status), [shown, all, status]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const active = useRef<string | null>(null);
  useEffect(() => setSelected(new Set()), [status, filter.text]);

  useEffect(() => rememberList(parameters.size > 0 ? `?${parameters}` : ""), [parameters]);

  const select = useCallback((ids: string[], on: boolean) => {
    setSelected((before) => {
      const after = new Set(before);
      for (const id of ids) if (on) after.add(id);
      else after.delete(id);
      return after;
    });
  }, []);

  const countOf = (one: RoomStatus) => counts?.find((group) => group.status === one)?.count ?? 0;
  const total = counts?.reduce((sum, { count }) => sum + count, 0) ?? 0;
  const selectable = mayWrite || mayAssign || Boolean(viewer.user?.agent);
  return (
    <div className="rooms-page">
      <Title order={1} size="h2">
        Rooms
      </Title>
      <div className="rooms-tools">
        <FilterBar filter={filter} />
        <Group gap="xs" align="end" className="rooms-view">
          <NativeSelect
            label="Sort by"
            value={printOrder(chosen)}
            onChange={(event) => link.set({ sort: event.currentTarget.value })}
            data={orders.flatMap(({ name, label }) => [
              { value: name, label: `${label} ▲` },
              { value: `-${name}`, label: `${label} ▼` },
            ])}
          />
          <Columns all={all} shown={columns} choose={(names) => link.set({ columns: names?.join(",") ?? "" })} />
        </Group>
      </div>
      <Tabs value={status ?? "ALL"} onChange={(value) => link.set({ status: (value ?? "QUEUED").toLowerCase(), sort: "" })} keepMounted={false}>
        <Tabs.List>
          {STATUSES.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {LABELS[one]} <span className="count">{counts && countOf(one).toLocaleString()}</span>
            </Tabs.Tab>
          ))}
          <Tabs.Tab value="ALL">
            all <span className="count">{counts && total.toLocaleString()}</span>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value={status ?? "ALL"}>
          <BulkActions
            selected={list.rooms.filter(({ id }) => selected.has(id))}
            active={() => list.rooms.find(({ id }) => id === active.current)}
            clear={() => setSelected(new Set())}
          />
          {list.problem && <Problem>{list.problem}</Problem>}
          {list.ready && list.count === 0 ? (
            <Empty status={status} filtered={filter.terms.length > 0} />
          ) : (
            <RoomTable
              key={`${status} ${printOrder(chosen)} ${filter.text}`}
              name={parameters.toString()}
              list={list}
              columns={columns}
              chosen={chosen}
              sort={(name) => link.set({ sort: name })}
              selected={selected}
              select={select}
              selectable={selectable}
              active={active}
            />
          )}
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function readStatus(text: string | null): RoomStatus | null {
  if (text === "all") return null;
  const status = text?.toUpperCase() as RoomStatus;
  return STATUSES.includes(status) ? status : "QUEUED";
}

function Empty({ status, filtered }: { status: RoomStatus | null; filtered: boolean }) {
  const word = status === null ? "There is no room yet." : status === "QUEUED" ? "Nobody is waiting." : `No room is ${LABELS[status]}.`;
  return (
    <Stack align="center" py="xl" gap={4}>
      <Text fz={28} aria-hidden className="served-mark">
        {status === "QUEUED" && !filtered ? "✓" : "–"}
      </Text>
      <Text fw={600}>{filtered ? "No room matches the filter." : word}</Text>
    </Stack>
  );
}

interface ColumnsProps {
  all: Column[];
  shown: Column[];
  /** Null: the columns that are shown at first. */
  choose: (names: string[] | null) => void;
}

function Columns({ all, shown, choose }: ColumnsProps) {
  const names = shown.map(({ name }) => name);
  return (
    <Popover position="bottom-end" withinPortal={false} trapFocus returnFocus>
      <Popover.Target>
        <Button variant="default" className="desk-only">
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap={6} role="group" aria-label="Columns">
          {all.map(({ name, label }) => (
            <Checkbox
              key={name}
              size="xs"
              label={label}
              checked={names.includes(name)}
              disabled={name === "subject"}
              onChange={(event) => choose(event.currentTarget.checked ? [...names, name] : names.filter((one) => one !== name))}
            />
          ))}
          <Button size="compact-xs" variant="subtle" onClick={() => choose(null)}>
            As at first
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
