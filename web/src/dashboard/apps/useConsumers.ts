import type { ApolloClient } from "@apollo/client";
import { useCallback, useState } from "react";
import { ConsumersDocument, type ConsumersQuery } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { refusalOf } from "../client/refusal";
import { useRepeated } from "../ui/useRepeated";

export type Consumer = NonNullable<ConsumersQuery["consumers"]>[number];

/** How often the lag is read. No event and no subscription of the API has it. */
export const READ_EVERY_SECONDS = 2;
export const SHOWN_SECONDS = 600;

export interface Samples {
  /** Seconds since 1970. */
  times: number[];
  lags: number[];
}

/** The lag of each consumer since the dashboard was opened. Other pages may be opened in between. */
const histories = new WeakMap<ApolloClient, Map<string, Samples>>();

export function keyOf({ owner, name }: Consumer): string {
  return `${owner.type} ${owner.id ?? ""} ${name}`;
}

export interface ConsumersState {
  consumers: Consumer[] | null;
  samplesOf: (consumer: Consumer) => Samples;
  problem: string | null;
  refresh: () => Promise<void>;
}

/** The consumers that the token may see, read again every few seconds while the page is visible. */
export function useConsumers(): ConsumersState {
  const { client } = useApi();
  const [consumers, setConsumers] = useState<Consumer[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const history = histories.get(client) ?? new Map<string, Samples>();
  histories.set(client, history);

  const refresh = useCallback(async () => {
    try {
      const { data } = await client.query({ query: ConsumersDocument, fetchPolicy: "no-cache" });
      const found = data?.consumers ?? [];
      record(history, found);
      setConsumers(found);
      setProblem(null);
    } catch (error) {
      setProblem(refusalOf(error).message);
    }
  }, [client, history]);

  useRepeated(refresh, READ_EVERY_SECONDS);

  return { consumers, problem, refresh, samplesOf: (consumer) => history.get(keyOf(consumer)) ?? { times: [], lags: [] } };
}

function record(history: Map<string, Samples>, consumers: readonly Consumer[]): void {
  const now = Date.now() / 1_000;
  const present = new Set(consumers.map(keyOf));
  for (const key of history.keys()) if (!present.has(key)) history.delete(key);
  for (const consumer of consumers) {
    const { times, lags } = history.get(keyOf(consumer)) ?? { times: [], lags: [] };
    const first = times.findIndex((time) => time >= now - SHOWN_SECONDS);
    const kept = first === -1 ? times.length : first;
    history.set(keyOf(consumer), { times: [...times.slice(kept), now], lags: [...lags.slice(kept), consumer.lag] });
  }
}
