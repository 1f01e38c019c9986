import { Button, Group, Paper, Text, Title } from "@mantine/core";
import { useMay, useSession } from "../session/session";
import { LineChart } from "../ui/LineChart";
import { CopyButton } from "../ui/CopyButton";
import { Since } from "../ui/Since";
import { SHOWN_SECONDS, type Consumer, type Samples } from "./useConsumers";

/** What the names of the consumers of webhooks begin with. They are removed with their webhooks. */
const WEBHOOK = "webhook:";

interface ConsumerCardProps {
  consumer: Consumer;
  samples: Samples;
  onRemove: () => void;
  onSkip: () => void;
}

/** One consumer: whether it is connected, its lag over the last minutes, and its position. */
export function ConsumerCard({ consumer, samples, onRemove, onSkip }: ConsumerCardProps) {
  const { name, owner, connected, lag, inFlight, ackedCursor, lastSeenAt } = consumer;
  const isOwn = useIsOwn(consumer);
  const isAdmin = useMay("admin");
  const highest = Math.max(lag, ...samples.lags);
  return (
    <Paper withBorder p="sm" component="article" aria-label={`Consumer ${name}`} className="consumer">
      <Group justify="space-between" wrap="nowrap" align="start">
        <div className="heading">
          <Title order={3} size="h5">
            {name}
          </Title>
          <Text className="quiet" size="sm">
            of {owner.name ?? owner.type.toLowerCase()}
          </Text>
        </div>
        <Text className={connected ? "connected" : "quiet"} ta="end">
          {connected ? (
            <>
              <span aria-hidden>●</span> connected
            </>
          ) : (
            <>
              <span aria-hidden>○</span> not connected
              <br />
              <small>{lastSeenAt ? <>last seen <Since time={lastSeenAt} /></> : "has never been connected"}</small>
            </>
          )}
        </Text>
      </Group>
      <Group gap="lg" align="baseline" mt="xs">
        <Text>
          <span className="lag" data-testid={`lag of ${name}`}>
            {lag.toLocaleString()}
          </span>{" "}
          {lag === 1 ? "event" : "events"} behind
        </Text>
        {inFlight > 0 && <Text className="quiet">{inFlight.toLocaleString()} sent and not acknowledged</Text>}
      </Group>
      <LineChart
        label={`Lag of ${name} since the dashboard was opened: now ${lag}, at most ${highest}`}
        times={samples.times}
        values={samples.lags}
        spanSeconds={SHOWN_SECONDS}
      />
      <Group justify="space-between" mt="xs" gap="xs">
        <Group gap="xs" wrap="nowrap" className="position">
          <span className="quiet">Position</span>
          <code title={ackedCursor}>{ackedCursor.length > 14 ? `${ackedCursor.slice(0, 14)}…` : ackedCursor}</code>
          <CopyButton text={ackedCursor} label={`Copy the position of ${name}`} />
        </Group>
        <Group gap="xs">
          {isOwn && lag > 0 && (
            <Button variant="default" size="compact-sm" aria-label={`Skip to now: ${name}`} onClick={onSkip}>
              Skip to now
            </Button>
          )}
          {(isOwn || isAdmin) && !name.startsWith(WEBHOOK) && (
            <Button variant="default" size="compact-sm" aria-label={`Remove ${name}`} onClick={onRemove}>
              Remove
            </Button>
          )}
        </Group>
      </Group>
    </Paper>
  );
}

/** Whether the consumer belongs to the caller. Only its owner acknowledges its events. */
export function useIsOwn({ owner }: Consumer): boolean {
  const { viewer } = useSession();
  return owner.type === viewer.type && (owner.id ?? null) === (viewer.id ?? null);
}
