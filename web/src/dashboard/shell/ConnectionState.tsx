import { Text } from "@mantine/core";
import { useConnection } from "../client/connection";
import { useApi } from "../client/hooks";

/** Whether the page is up to date. A word and a shape say it, and since when it is offline. */
export function ConnectionState() {
  const { state, since } = useConnection(useApi().connection);
  const time = new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return (
    <Text component="span" role="status" className={`connection ${state.split(" ")[0]}`}>
      {state === "offline" ? `offline since ${time}` : state}
    </Text>
  );
}
