import { Button, Paper, Stack, Text, Title } from "@mantine/core";
import { eventWords } from "../client/eventWords";
import { exact } from "../rooms/status";
import { useMay } from "../session/session";
import { Problem } from "../shell/Problem";
import type { LogState } from "./useLog";
import type { HistoryEvent, RoomDetails } from "./useRoom";
import { WhyWaiting } from "./WhyWaiting";

/** Who has served the room, what happened in it, and why it waits. */
export function History({ room, history }: { room: RoomDetails; history: LogState<HistoryEvent> }) {
  const mayReadUsers = useMay("users:read");
  const mayReadEvents = useMay("events:read");
  return (
    <Stack gap="xs" data-part="history" className="history">
      {room.status === "QUEUED" && mayReadUsers && <WhyWaiting id={room.id} revision={room.revision} />}
      <Assignments room={room} />
      {mayReadEvents && <Events history={history} />}
    </Stack>
  );
}

function Assignments({ room }: { room: RoomDetails }) {
  const assignments = [...(room.assignments?.nodes ?? [])].reverse();
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="assignments">
      <Title order={2} size="h5" id="assignments">
        Assignments
      </Title>
      {assignments.length === 0 && <Text className="quiet">Nobody has served this room yet.</Text>}
      <ol className="timeline">
        {assignments.map(({ agent, since, until, cause, endCause, comment, by }) => (
          <li key={since + agent.agentId} className={until ? "" : "present"}>
            <strong>{agent.user.name ?? agent.user.username}</strong>
            <span className="quiet">
              {" "}
              {cause.toLowerCase()}
              {by.type !== "SYSTEM" && by.name !== agent.user.username && ` by ${by.name ?? by.type.toLowerCase()}`} {short(since)}
              {until && `, ${endCause?.toLowerCase().replaceAll("_", " ") ?? "ended"} ${short(until)}`}
            </span>
            {comment && <div>“{comment}”</div>}
          </li>
        ))}
      </ol>
    </Paper>
  );
}

function Events({ history }: { history: LogState<HistoryEvent> }) {
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="room-events" className="room-events">
      <Title order={2} size="h5" id="room-events">
        Events
      </Title>
      <ol className="timeline scrolled" tabIndex={0} aria-label="Events of the room, the newest first">
        {[...history.entries].reverse().map((event) => (
          <li key={event.id}>
            <time className="quiet" dateTime={event.occurredAt} title={exact(event.occurredAt)}>
              {short(event.occurredAt)}
            </time>{" "}
            {eventWords(event.type)} <span className="quiet">by {event.actor.name ?? event.actor.type.toLowerCase()}</span>
            {"agent" in event && <span className="quiet">: {event.agent.user.username}</span>}
            {"changes" in event &&
              event.changes.map(({ field, before, after }) => (
                <div key={field} className="quiet">
                  {field.replace(/^customFields\./, "")}: {printed(before)} → {printed(after)}
                </div>
              ))}
          </li>
        ))}
        {history.hasEarlier && (
          <li>
            <Button size="compact-xs" variant="default" loading={history.reading} onClick={() => void history.earlier()}>
              Earlier events
            </Button>
          </li>
        )}
      </ol>
      {history.problem && <Problem>{history.problem}</Problem>}
    </Paper>
  );
}

function printed(value: unknown): string {
  if (value === null || value === undefined || value === "") return "none";
  return Array.isArray(value) ? value.join(", ") || "none" : String(value);
}

/** The time of today, or the day and the time. */
function short(time: string): string {
  const date = new Date(time);
  const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return clock;
  return `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${clock}`;
}
