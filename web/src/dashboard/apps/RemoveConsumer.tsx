import { Text } from "@mantine/core";
import { RemoveConsumerDocument } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { ConfirmDialog } from "../ui/ConfirmDialog";
import { useIsOwn } from "./ConsumerCard";
import type { Consumer } from "./useConsumers";

/** Forgets a consumer and its position. */
export function RemoveConsumer({ consumer, onClose }: { consumer: Consumer; onClose: () => void }) {
  const { client } = useApi();
  const owner = useIsOwn(consumer) ? null : consumer.owner.id;
  return (
    <ConfirmDialog
      title={`Remove ${consumer.name}?`}
      submit="Remove"
      confirm={() => client.mutate({ mutation: RemoveConsumerDocument, variables: { consumer: consumer.name, owner } })}
      onClose={onClose}
    >
      <Text>
        Its position is forgotten. If its app subscribes again under this name, it begins with the next event and misses the{" "}
        {consumer.lag.toLocaleString()} that {consumer.lag === 1 ? "is" : "are"} not acknowledged.
        {consumer.connected && " It is connected now: end its subscription first."}
      </Text>
    </ConfirmDialog>
  );
}
