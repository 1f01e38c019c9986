import { Paper, Text, Title } from "@mantine/core";
import { lazy, Suspense, useMemo } from "react";
import { useFeed } from "../client/feed";
import { useApi, useNow } from "../client/hooks";
import { useSession } from "../session/session";

const MINUTE = 60_000;
const EventRateChart = lazy(() => import("./EventRateChart"));

/** The events of each minute of the last hour. */
export function EventRate() {
  const { feed } = useSession();
  const { clock } = useApi();
  const state = useFeed(feed);
  const minute = Math.floor(useNow() / MINUTE);
  const { times, counts } = useMemo(() => feed.minutes.upTo(clock.now()), [feed, clock, state, minute]);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const text = `${total.toLocaleString()} in the last hour, ${counts.at(-1)} in this minute`;
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="event-rate">
      <Title order={2} size="h5" id="event-rate">
        Events a minute
      </Title>
      <Text size="sm" className="quiet">
        {text}
      </Text>
      <Suspense fallback={<div className="chart" />}>
        <EventRateChart label={`Events a minute: ${text}`} times={times} counts={counts} />
      </Suspense>
    </Paper>
  );
}
