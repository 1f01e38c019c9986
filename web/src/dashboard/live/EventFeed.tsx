import { Button, Group, NativeSelect, Paper, Text, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { eventWords } from "../client/eventWords";
import { useFeed, type FeedEvent, type FeedState, type Gap } from "../client/feed";
import { exact } from "../rooms/status";
import { useSession } from "../session/session";
import { useLinkState } from "../ui/useLinkState";

const SHOWN = 100;
const KINDS: Record<string, [label: string, types: RegExp]> = {
  "": ["All events", /./],
  rooms: ["Rooms", /^(ROOM|ROUTING|TIMER|AGENT_(ASSIGNED|UNASSIGNED))/],
  messages: ["Messages", /^MESSAGE/],
  people: ["Agents and users", /^(USER|AGENT|VISITOR)/],
  setup: ["Set-up", /^(ROLE|APP|DEPARTMENT|CUSTOM)/],
};

/** The event log as it grows, with a pause and a filter that is in the link. */
export function EventFeed() {
  const state = useFeed(useSession().feed);
  const [paused, setPaused] = useState<FeedState | null>(null);
  const link = useLinkState();
  const words = link.get("events");
  const kind = link.get("kind");
  const types = (KINDS[kind] ?? KINDS[""]!)[1];
  const { events, gaps } = paused ?? state;
  const matching = events.filter((event) => types.test(event.type) && matches(event, words.toLowerCase())).slice(0, SHOWN);
  const missed = paused === null ? 0 : state.events.findIndex(({ sequence }) => sequence === (paused.events[0]?.sequence ?? 0));

  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="events" className="event-feed">
      <Group justify="space-between">
        <Title order={2} size="h5" id="events">
          Events
        </Title>
        <Button variant={paused ? "filled" : "default"} size="compact-sm" onClick={() => setPaused(paused === null ? state : null)}>
          {paused === null ? "Pause" : `Continue${missed > 0 ? ` (${missed} new)` : ""}`}
        </Button>
      </Group>
      <Group gap="xs" my="xs" wrap="nowrap">
        <TextInput
          size="xs"
          data-filter
          className="filter-text"
          aria-label="Filter of events"
          placeholder="assigned, closed, words of a subject …"
          value={words}
          onChange={(event) => link.set({ events: event.currentTarget.value })}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
        />
        <NativeSelect
          size="xs"
          aria-label="Kind of events"
          value={kind}
          onChange={(event) => link.set({ kind: event.currentTarget.value })}
          data={Object.entries(KINDS).map(([value, [label]]) => ({ value, label }))}
        />
      </Group>
      {matching.length === 0 && <Text className="quiet">{events.length === 0 ? "Nothing has happened yet." : "No event matches."}</Text>}
      <ul className="feed" tabIndex={0} aria-label="Events, the newest first">
        {matching.map((event, index) => (
          <li key={event.sequence}>
            {gaps.filter((gap) => isBetween(gap, matching[index - 1], event)).map((gap) => (
              <GapMark key={gap.since} gap={gap} />
            ))}
            <time className="quiet" dateTime={event.occurredAt} title={exact(event.occurredAt)}>
              {new Date(event.occurredAt).toLocaleTimeString()}
            </time>{" "}
            {eventWords(event.type)}{" "}
            {"room" in event && <Link to={`/rooms/${event.room.roomId}`}>{event.room.subject ?? "(no subject)"}</Link>}
            <span className="quiet"> by {event.actor.name ?? event.actor.type.toLowerCase()}</span>
          </li>
        ))}
      </ul>
    </Paper>
  );
}

/** Whether the gap begins after `older`, and before `newer`, which is undefined for the newest event. */
function isBetween({ after }: Gap, newer: FeedEvent | undefined, older: FeedEvent): boolean {
  return older.sequence <= after && (newer === undefined || newer.sequence > after);
}

function GapMark({ gap: { since, until, events, isOpen } }: { gap: Gap }) {
  const clock = (time: number) => new Date(time).toLocaleTimeString();
  const caughtUp = events === 0 ? "nothing was missed" : `${events.toLocaleString()} ${events === 1 ? "event" : "events"} caught up`;
  return (
    <p className="gap">
      offline {clock(since)} – {clock(until)}: {isOpen ? "some events are not in the log any more" : caughtUp}
    </p>
  );
}

function matches(event: FeedEvent, words: string): boolean {
  const subject = "room" in event ? (event.room.subject ?? "") : "";
  return `${eventWords(event.type)} ${subject} ${event.actor.name ?? ""}`.toLowerCase().includes(words);
}
