import { Button, Group, SimpleGrid, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Problem } from "../shell/Problem";
import { useLinkState } from "../ui/useLinkState";
import { ConsumerCard } from "./ConsumerCard";
import { RemoveConsumer } from "./RemoveConsumer";
import { SkipEvents } from "./SkipEvents";
import { keyOf, READ_EVERY_SECONDS, useConsumers, type Consumer } from "./useConsumers";

const STEP = 12;

/** Who reads the event log by a name, and how far behind. */
export function Consumers() {
  const { consumers, samplesOf, problem, refresh } = useConsumers();
  const { get, set, push } = useLinkState();
  const [shown, setShown] = useState(STEP);
  const chosen = consumers?.find((consumer) => keyOf(consumer) === get("consumer"));
  const open = (dialog: string, consumer: Consumer) => push({ open: dialog, consumer: keyOf(consumer) });
  const close = () => {
    set({ open: "", consumer: "" });
    void refresh();
  };
  return (
    <section aria-labelledby="consumers">
      <Title order={2} size="h3" mt="xl" id="consumers">
        Consumers
      </Title>
      <Text className="quiet" mb="sm">
        A consumer is a name under which an app reads events. The server stores what the app has acknowledged; its lag is what is left.
        The list is read every {READ_EVERY_SECONDS} seconds while this page is visible.
      </Text>
      {problem && consumers === null && <Problem>{problem}</Problem>}
      {consumers === null && !problem && <Text className="quiet">Reading …</Text>}
      {consumers?.length === 0 && (
        <div className="empty">
          <Text>No app reads events under a name yet.</Text>
          <Text>
            A consumer begins with its first subscription: <code>events(consumer: "my-app")</code>
          </Text>
        </div>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {sorted(consumers ?? [])
          .slice(0, shown)
          .map((consumer) => (
            <ConsumerCard
              key={keyOf(consumer)}
              consumer={consumer}
              samples={samplesOf(consumer)}
              onRemove={() => open("remove", consumer)}
              onSkip={() => open("skip", consumer)}
            />
          ))}
      </SimpleGrid>
      {consumers && consumers.length > shown && (
        <Group mt="sm">
          <Button variant="default" size="compact-sm" onClick={() => setShown(shown + STEP)}>
            More
          </Button>
          <Text className="quiet" size="sm">
            The first {shown} of {consumers.length.toLocaleString()}
          </Text>
        </Group>
      )}
      {chosen && get("open") === "remove" && <RemoveConsumer consumer={chosen} onClose={close} />}
      {chosen && get("open") === "skip" && <SkipEvents consumer={chosen} onClose={close} />}
    </section>
  );
}

/** In an order that does not change with the lag, so that nothing moves while one looks. */
function sorted(consumers: readonly Consumer[]): Consumer[] {
  const by = ({ owner, name }: Consumer) => `${name} ${owner.name ?? ""} ${owner.id ?? ""}`;
  return [...consumers].sort((one, other) => by(one).localeCompare(by(other)));
}
