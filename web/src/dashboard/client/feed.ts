import { useSyncExternalStore } from "react";
import { EventsDocument, EventsNowDocument, type EventsSubscription } from "../../gql/graphql";
import type { Api } from "./client";
import { follow } from "./follow";

export type FeedEvent = EventsSubscription["events"];

const KEPT_EVENTS = 500;
const MINUTES = 60;
const MINUTE = 60_000;

export interface FeedState {
  /** The newest first. */
  events: FeedEvent[];
  /** How many events happened in each of the last minutes, the present one last. */
  perMinute: number[];
}

/** The event log from the opening of the page on. Interruptions leave no gap. */
export class Feed {
  private state: FeedState = { events: [], perMinute: [] };
  private readonly times: number[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly eventListeners = new Set<(event: FeedEvent) => void>();
  private cursor: string | undefined;
  private stopped = false;
  private end = () => {};

  async start({ client }: Api): Promise<void> {
    this.stopped = false;
    const { data } = await client.query({ query: EventsNowDocument, fetchPolicy: "network-only" });
    if (this.stopped) return;
    this.cursor = data?.eventCursor ?? undefined;
    this.end = follow(client, {
      document: EventsDocument,
      variables: () => ({ after: this.cursor }),
      next: ({ events }) => this.add(events),
    });
  }

  stop(): void {
    this.stopped = true;
    this.end();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly read = (): FeedState => this.state;

  /** Calls the listener with each event, until the function that it returns is called. */
  onEvent(listener: (event: FeedEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  private add(event: FeedEvent): void {
    this.cursor = event.cursor;
    if (this.state.events.some(({ sequence }) => sequence === event.sequence)) return;
    this.times.push(Date.parse(event.occurredAt));
    this.state = { events: [event, ...this.state.events].slice(0, KEPT_EVENTS), perMinute: this.countByMinute() };
    for (const listener of this.listeners) listener();
    for (const listener of this.eventListeners) listener(event);
  }

  private countByMinute(): number[] {
    const present = Math.floor(Date.now() / MINUTE);
    while (this.times.length > 0 && Math.floor(this.times[0]! / MINUTE) <= present - MINUTES) this.times.shift();
    const counts = new Array<number>(MINUTES).fill(0);
    for (const time of this.times) {
      const index = MINUTES - 1 - (present - Math.floor(time / MINUTE));
      if (index >= 0 && index < MINUTES) counts[index]! += 1;
    }
    return counts;
  }
}

export function useFeed(feed: Feed): FeedState {
  return useSyncExternalStore(feed.subscribe, feed.read);
}
