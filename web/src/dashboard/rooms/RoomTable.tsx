import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useRef, type RefObject } from "react";
import { Link, useNavigate } from "react-router";
import type { ListedRoom } from "../client/liveList";
import { useKeys } from "../keyboard/keys";
import type { Column } from "./columns";
import type { ChosenOrder } from "./orders";
import { placeOf, rememberPlace } from "./places";
import { Elapsed, sinceOf, Status } from "./status";
import type { PagedRooms } from "./usePagedRooms";

const ROW_PIXELS = 36;
const PHONE_ROW_PIXELS = 56;
const GAP_REM = 0.75;
const STILL_MILLISECONDS = 250;

interface RoomTableProps {
  list: PagedRooms;
  columns: Column[];
  chosen: ChosenOrder;
  sort: (order: string) => void;
  selected: ReadonlySet<string>;
  select: (ids: string[], on: boolean) => void;
  /** Whether rooms can be selected. */
  selectable: boolean;
  /** Of the list: the place in it is remembered under this name. */
  name: string;
  /** The id of the room whose row has the focus, or had it last. */
  active: RefObject<string | null>;
}

/** The rows that are visible, of a list of any length. */
export function RoomTable({ list, columns, chosen, sort, selected, select, selectable, name, active }: RoomTableProps) {
  const { rooms, count, ready, need, watch } = list;
  const isPhone = useMediaQuery("(max-width: 48em)") ?? false;
  const height = isPhone ? PHONE_ROW_PIXELS : ROW_PIXELS;
  const scrolled = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scrolled.current,
    estimateSize: () => height,
    // The same function for the same rooms: with another one, all rows are measured again.
    getItemKey: useCallback((index: number) => rooms[index]?.id ?? index, [rooms]),
    overscan: 12,
  });
  useEffect(() => rows.measure(), [height, rows]);
  const items = rows.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => need(last + 1), [last, rooms.length, count]);
  const visible = rooms.slice(first, last + 1).map(({ id }) => id);
  const beyond = first >= 200 || last >= 200 ? visible.join() : "";
  useEffect(() => {
    const timer = setTimeout(() => watch(beyond === "" ? [] : beyond.split(",")), STILL_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [beyond]);

  function focus(index: number) {
    const room = rooms[index];
    if (!room) return;
    active.current = room.id;
    rows.scrollToIndex(index);
    // A row that is not rendered yet gets the focus as soon as it is, unless another key was pressed.
    if (!focusRow(room.id)) requestAnimationFrame(() => active.current === room.id && focusRow(room.id));
  }
  function focusRow(id: string): boolean {
    const row = scrolled.current?.querySelector<HTMLElement>(`[data-room="${id}"]`);
    row?.focus({ preventScroll: true });
    return row !== null && row !== undefined;
  }
  // Who comes back from a room is at the row that led to it, as soon as the list is long enough.
  const place = useRef(placeOf(name) ?? null);
  const scrolls = useRef(true);
  useEffect(() => {
    if (place.current === null || !ready) return;
    const { roomId, offset } = place.current;
    if (scrolls.current && rows.scrollOffset === 0) rows.scrollToOffset(offset);
    scrolls.current = false;
    active.current ??= roomId;
    const isElsewhere = document.activeElement !== null && document.activeElement !== document.body;
    if (isElsewhere || roomId === null || focusRow(roomId)) place.current = null;
  }, [ready, rooms.length, first, last]);
  useEffect(
    () => () => {
      rememberPlace(name, { roomId: active.current, offset: rows.scrollOffset ?? 0 });
      active.current = null;
    },
    [active, name, rows],
  );

  const at = () => rooms.findIndex(({ id }) => id === active.current);
  useKeys({
    j: () => focus(at() + 1),
    k: () => focus(Math.max(0, at() - 1)),
    x: () => active.current !== null && selectable && select([active.current], !selected.has(active.current)),
    Enter: (event) => {
      if (active.current !== null && !(event.target as HTMLElement).closest("a, button, input")) void navigate(`/rooms/${active.current}`);
    },
  });

  const allSelected = rooms.length > 0 && rooms.every(({ id }) => selected.has(id));
  const tracks = columns.map(({ width: [rem, share] }) => (share > 0 ? `minmax(${rem}rem, ${share}fr)` : `${rem}rem`));
  const narrowest = columns.reduce((sum, { width: [rem] }) => sum + rem + GAP_REM, 4);
  return (
    <div
      ref={scrolled}
      className="rooms"
      tabIndex={0}
      role="table"
      aria-label="Rooms"
      aria-rowcount={count + 1}
      style={{ "--row-columns": `${selectable ? "1.25rem " : ""}${tracks.join(" ")}`, "--row-width": `${narrowest}rem` } as object}
      onFocus={({ target }) => (active.current = (target as HTMLElement).closest<HTMLElement>("[data-room]")?.dataset.room ?? active.current)}
    >
      <div role="row" className="row header" aria-rowindex={1}>
        {selectable && (
          <span role="columnheader">
            <input
              type="checkbox"
              aria-label="Select all rooms that have been read"
              checked={allSelected}
              ref={(box) => {
                if (box) box.indeterminate = !allSelected && selected.size > 0;
              }}
              onChange={(event) => select(rooms.map(({ id }) => id), event.currentTarget.checked)}
            />
          </span>
        )}
        {columns.map((column) => (
          <Head key={column.name} column={column} chosen={chosen} sort={sort} />
        ))}
      </div>
      <div role="rowgroup" style={{ height: rows.getTotalSize(), position: "relative" }}>
        {items.map(({ key, index, start }) => (
          <Row
            key={key}
            room={rooms[index]}
            index={index}
            start={start}
            height={height}
            columns={columns}
            isSelected={selected.has(rooms[index]?.id ?? "")}
            select={selectable ? select : null}
          />
        ))}
      </div>
    </div>
  );
}

interface RowProps {
  /** Undefined: it has not been read yet. */
  room: ListedRoom | undefined;
  index: number;
  start: number;
  height: number;
  columns: Column[];
  isSelected: boolean;
  /** Null: rooms cannot be selected. */
  select: ((ids: string[], on: boolean) => void) | null;
}

/** Scrolling renders the rows that come into view alone, without components of the library, which take most of the time. */
const Row = memo(function Row({ room, index, start, height, columns, isSelected, select }: RowProps) {
  const style = { transform: `translateY(${start}px)`, height };
  if (room === undefined)
    return (
      <div role="row" className="row body" style={style} aria-rowindex={index + 2}>
        <span role="cell" className="quiet">
          …
        </span>
      </div>
    );
  return (
    <div
      role="row"
      tabIndex={-1}
      data-room={room.id}
      className={`row body${isSelected ? " selected" : ""}`}
      aria-rowindex={index + 2}
      style={style}
    >
      {select && (
        <span role="cell">
          <input
            type="checkbox"
            aria-label={`Select ${room.subject ?? "(no subject)"}`}
            checked={isSelected}
            onChange={(event) => select([room.id], event.currentTarget.checked)}
          />
        </span>
      )}
      {columns.map(({ name, cell }) => (
        <span key={name} role="cell" data-column={name}>
          {name === "subject" ? (
            <>
              <Link to={`/rooms/${room.id}`}>{cell(room)}</Link>
              <small className="phone-line quiet">
                <Status status={room.status} /> <Elapsed since={sinceOf(room)} /> ·{" "}
                {[room.visitor.name, room.department?.name].filter(Boolean).join(" · ")}
              </small>
            </>
          ) : (
            cell(room)
          )}
        </span>
      ))}
    </div>
  );
});

function Head({ column, chosen, sort }: { column: Column; chosen: ChosenOrder; sort: (order: string) => void }) {
  const { name, label, order } = column;
  if (!order)
    return (
      <span role="columnheader" data-column={name}>
        {label}
      </span>
    );
  const isChosen = chosen.order.name === order;
  const descending = isChosen && chosen.direction === "DESC";
  const next = isChosen && !descending ? `-${order}` : order;
  return (
    <span role="columnheader" data-column={name} aria-sort={isChosen ? (descending ? "descending" : "ascending") : "none"}>
      <button type="button" className="sort" onClick={() => sort(next)}>
        {label}
        <span aria-hidden>{isChosen ? (descending ? " ▼" : " ▲") : ""}</span>
      </button>
    </span>
  );
}
