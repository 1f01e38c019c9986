import { Text } from "@mantine/core";
import { useConnection, type Connection } from "../client/connection";
import { useApi } from "../client/hooks";

/** Whether the page is up to date. A word and a shape say it, and since when it is offline. */
export function ConnectionState() {
  const connection = useConnection(useApi().connection);
  return (
    <Text component="span" role="status" className={`connection ${connection.state.split(" ")[0]}`}>
      {wordsOf(connection)}
    </Text>
  );
}

function wordsOf({ state, since, events }: Connection): string {
  if (state === "offline") return `offline since ${new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
  if (state === "catching up" && events > 0) return `catching up (${events.toLocaleString()} ${events === 1 ? "event" : "events"})`;
  return state;
}
