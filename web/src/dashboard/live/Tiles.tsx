import { Paper, SimpleGrid, Text } from "@mantine/core";
import { Link } from "react-router";
import { useNow, type CountGroup } from "../client/hooks";
import { useSamples } from "../client/samples";
import { span } from "../rooms/status";
import { Sparkline } from "./Sparkline";
import { useCourse } from "./useCourse";
import type { FloorAgent } from "./useFloor";
import { waitSince } from "./waits";

interface TilesProps {
  /** The open rooms by status. Null: not known yet. */
  groups: CountGroup[] | null;
  /** Null: not known yet, or the token may not read users. */
  agents: FloorAgent[] | null;
  mayReadUsers: boolean;
}

/** The four numbers that say whether all is well. Each is a link to what it counts. */
export function Tiles({ groups, agents, mayReadUsers }: TilesProps) {
  const now = useNow();
  const of = (status: string) => groups?.find((group) => group.status === status);
  const oldest = of("QUEUED")?.oldestQueuedAt ?? null;
  const wait = waitSince(oldest, now);
  const waiting = groups && (of("QUEUED")?.count ?? 0);
  const served = groups && (of("ASSIGNED")?.count ?? 0);
  const held = of("ON_HOLD")?.count ?? 0;
  const longest = groups && (oldest ? Math.max(0, Math.floor((now - Date.parse(oldest)) / 1_000)) : 0);
  const free = agents && freePlaces(agents);
  const course = useCourse(
    waiting === null || served === null ? null : { waiting, served, oldest: oldest === null ? null : Date.parse(oldest) },
  );
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
      <Tile
        label="waiting"
        value={waiting}
        past={course?.waiting}
        text={String(waiting)}
        to="/rooms?status=queued"
        level={waiting ? wait.level : "short"}
      />
      <Tile
        label="longest wait"
        value={longest === null ? null : Math.floor(longest / 5) * 5}
        past={course?.longestSeconds}
        text={oldest ? span(oldest, now) : "none"}
        note={oldest ? wait.word : "nobody waits"}
        to="/rooms?status=queued&sort=queue"
        level={wait.level}
      />
      <Tile
        label="served"
        value={served}
        past={course?.served}
        text={String(served)}
        note={`${held} on hold`}
        to="/rooms?status=assigned"
      />
      {mayReadUsers ? (
        <Tile label="free places" value={free && free.places} text={free ? freeText(free) : ""} note={free?.note} to="/agents" />
      ) : (
        <Tile label="on hold" value={groups && held} text={String(held)} to="/rooms?status=on_hold" />
      )}
    </SimpleGrid>
  );
}

interface TileProps {
  label: string;
  value: number | null;
  /** Its course in the last minutes. Without it, what the number was while the page was open is shown. */
  past?: number[];
  text: string;
  note?: string;
  to: string;
  level?: string;
}

function Tile({ label, value, past, text, note, to, level = "" }: TileProps) {
  const samples = useSamples(label, value);
  return (
    <Paper withBorder p="sm" component={Link} to={to} className={`tile ${level}`}>
      <Text size="sm" className="quiet">
        {label}
      </Text>
      <Text fz={34} fw={700} lh={1.15} data-testid={label}>
        {value === null ? "…" : text}
      </Text>
      <Text size="sm" className="tile-note">
        {note ?? "\u00a0"}
      </Text>
      <Sparkline values={past ?? samples} />
    </Paper>
  );
}

function freeText({ places, isMore }: { places: number; isMore: boolean }): string {
  if (!isMore) return String(places);
  return places > 0 ? `${places}+` : "no limit";
}

/** How many rooms the agents could take now. `isMore`: one of them has no limit. */
function freePlaces(agents: FloorAgent[]): { places: number; isMore: boolean; note: string } {
  const able = agents.filter(({ routable }) => routable);
  const places = able.reduce((sum, { maxRooms, openRoomCount }) => sum + Math.max(0, (maxRooms ?? openRoomCount) - openRoomCount), 0);
  return {
    places,
    isMore: able.some(({ maxRooms }) => maxRooms === null || maxRooms === undefined),
    note: `${able.length} of ${agents.length} agents can take rooms`,
  };
}
