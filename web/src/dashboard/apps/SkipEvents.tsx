import { Text } from "@mantine/core";
import { AcknowledgeAllDocument, EventsNowDocument } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { ConfirmDialog } from "../ui/ConfirmDialog";
import type { Consumer } from "./useConsumers";

/** Acknowledges all events up to now, without anything that has handled them. */
export function SkipEvents({ consumer, onClose }: { consumer: Consumer; onClose: () => void }) {
  const { client } = useApi();

  async function skip() {
    const { data } = await client.query({ query: EventsNowDocument, fetchPolicy: "network-only" });
    if (!data?.eventCursor) throw new Error("The token may not read the position of the event log.");
    await client.mutate({
      mutation: AcknowledgeAllDocument,
      variables: { consumer: consumer.name, cursor: data.eventCursor },
    });
  }

  return (
    <ConfirmDialog title={`Skip the events of ${consumer.name}?`} submit="Skip" confirm={skip} onClose={onClose}>
      <Text>
        All events up to now are acknowledged, and the consumer goes on with the next one. Its app never gets the{" "}
        {consumer.lag.toLocaleString()} that {consumer.lag === 1 ? "is" : "are"} left.
      </Text>
    </ConfirmDialog>
  );
}
