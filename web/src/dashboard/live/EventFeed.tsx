import { Button, Group, Paper, Text, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { useFeed, type FeedEvent } from "../client/feed";
import { exact } from "../rooms/status";
import { useSession } from "../session/session";

const SHOWN = 100;

/** The event log as it grows, with a pause and a filter by words of an event's type or subject. */
export function EventFeed() {
  const { events } = useFeed(useSession().feed);
  const [paused, setPaused] = useState<FeedEvent[] | null>(null);
  const [words, setWords] = useState("");
  const matching = (paused ?? events).filter((event) => matches(event, words.toLowerCase()));
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="events">
      <Group justify="space-between">
        <Title order={2} size="h4" id="events">
          Events
        </Title>
        <Button variant="default" size="compact-sm" onClick={() => setPaused(paused === null ? events : null)}>
          {paused === null ? "Pause" : "Continue"}
        </Button>
      </Group>
      <TextInput
        aria-label="Filter of events"
        placeholder="Filter: assigned, closed, …"
        my="xs"
        value={words}
        onChange={(event) => setWords(event.currentTarget.value)}
      />
      {matching.length === 0 && <Text className="quiet">No event since the page was opened.</Text>}
      <ul className="feed" tabIndex={0} aria-label="Events, the newest first">
        {matching.slice(0, SHOWN).map((event) => (
          <li key={event.sequence}>
            <time className="quiet" dateTime={event.occurredAt} title={exact(event.occurredAt)}>
              {new Date(event.occurredAt).toLocaleTimeString()}
            </time>{" "}
            {event.type.toLowerCase().replaceAll("_", " ")}{" "}
            {"room" in event && <Link to={`/rooms/${event.room.roomId}`}>{event.room.subject ?? "(no subject)"}</Link>}
            <span className="quiet"> by {event.actor.name ?? event.actor.type.toLowerCase()}</span>
          </li>
        ))}
      </ul>
    </Paper>
  );
}

function matches(event: FeedEvent, words: string): boolean {
  const subject = "room" in event ? (event.room.subject ?? "") : "";
  return `${event.type.replaceAll("_", " ")} ${subject}`.toLowerCase().includes(words);
}
