import type { ApolloClient } from "@apollo/client";
import { useSyncExternalStore } from "react";
import {
  EventsDocument,
  EventsNowDocument,
  EventTimesDocument,
  LatestEventsDocument,
  LatestSequenceDocument,
  type EventTimesQuery,
  type FeedEventFragment,
  type LatestEventsQuery,
} from "../../gql/graphql";
import type { Api } from "./client";
import { follow } from "./follow";
import { Minutes } from "./minutes";
import { StatusCourse } from "./statusCourse";

export type FeedEvent = FeedEventFragment;

/** A time without a connection, after which the page caught up. */
export interface Gap {
  /** The sequence of the last event before it. */
  after: number;
  since: number;
  until: number;
  /** How many events came afterwards that had happened in the meantime. */
  events: number;
  /** Whether some of them are not in the log any more. */
  isOpen: boolean;
}

export interface FeedState {
  /** The newest first. */
  events: FeedEvent[];
  gaps: Gap[];
}

const KEPT_EVENTS = 500;
const KEPT_GAPS = 20;
/** Pages of earlier events whose times are read at the start. */
const EARLIER_PAGES = 10;
/** Events that come within this time are shown together. */
const TOGETHER_MILLISECONDS = 50;
const RETRY_MILLISECONDS = 2_000;

/** The event log: its end at the start, and all that happens from then on. Interruptions leave no gap. */
export class Feed {
  readonly minutes = new Minutes();
  readonly statuses = new StatusCourse();
  private state: FeedState = { events: [], gaps: [] };
  private readonly listeners = new Set<() => void>();
  private readonly eventListeners = new Set<(event: FeedEvent) => void>();
  private cursor: string | undefined;
  private last = 0;
  private stopped = false;
  private end = () => {};
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Of the interruption that the feed is catching up after. */
  private gap: Gap | undefined;
  private target: number | undefined;
  private earlierNeeded = false;
  /** Where the earlier events end. Null: not known yet, or their reading has begun. */
  private earlier: { api: Api; before: string | null } | null = null;

  async start(api: Api): Promise<void> {
    const { client } = api;
    this.stopped = false;
    const present = await this.readEnd(client);
    if (present === null) return;
    const { nodes = [], pageInfo } = present.events ?? {};
    this.cursor = present.cursor;
    for (const event of nodes) this.add(event, api);
    this.cursor = nodes.at(-1)?.cursor ?? this.cursor;
    let opened = false;
    this.end = follow(client, {
      document: EventsDocument,
      variables: () => {
        if (opened) this.interrupted(api);
        opened = true;
        return { after: this.cursor };
      },
      next: ({ events }) => {
        this.add(events, api);
        for (const listener of this.eventListeners) listener(events);
      },
      refused: ({ code, extensions }) => {
        if (code !== "CURSOR_EXPIRED" || typeof extensions.oldestCursor !== "string") return;
        this.cursor = extensions.oldestCursor;
        if (this.gap) this.gap.isOpen = true;
        this.statuses.forget();
      },
    });
    this.earlier = { api, before: pageInfo?.hasPreviousPage ? (pageInfo.startCursor ?? null) : null };
    this.readEarlier();
  }

  /** Reads what happened in the last hour, once. Only the page that shows it needs it: it is ten times as much as the rest. */
  needEarlier(): void {
    this.earlierNeeded = true;
    this.readEarlier();
  }

  private readEarlier(): void {
    if (!this.earlierNeeded || this.earlier === null) return;
    const { api, before } = this.earlier;
    this.earlier = null;
    // Without the earlier events, the charts begin now.
    this.readBefore(api, before).catch(() => undefined);
  }

  stop(): void {
    this.stopped = true;
    this.earlier = null;
    this.end();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly read = (): FeedState => this.state;

  /** Calls the listener with each event that happens from now on, until the function that it returns is called. */
  onEvent(listener: (event: FeedEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  private add(event: FeedEvent, api: Api): void {
    this.cursor = event.cursor;
    if (event.sequence <= this.last) return;
    this.last = event.sequence;
    this.minutes.add(event.occurredAt);
    this.statuses.add(event);
    if (this.gap && this.target !== undefined && event.sequence <= this.target) {
      this.gap.events += 1;
      if (event.sequence < this.target) api.connection.startsBehind(this, this.target - event.sequence);
    }
    if (this.target !== undefined && event.sequence >= this.target) this.caughtUp(api);
    this.show({ events: [event, ...this.state.events].slice(0, KEPT_EVENTS) });
  }

  /** A new connection after an interruption: what is missing is counted, and the gap is shown once it is closed. */
  private interrupted(api: Api): void {
    const { state, since } = api.connection.read();
    this.gap ??= { after: this.last, since: state === "offline" ? since : Date.now(), until: Date.now(), events: 0, isOpen: false };
    this.target = undefined;
    api.connection.startsBehind(this);
    api.client.query({ query: LatestSequenceDocument, fetchPolicy: "no-cache" }).then(
      ({ data }) => {
        this.target = data?.events?.nodes.at(-1)?.sequence ?? this.last;
        if (this.gap) this.gap.events = this.state.events.filter(({ sequence }) => sequence > this.gap!.after).length;
        if (this.last >= this.target) this.caughtUp(api);
        else api.connection.startsBehind(this, this.target - this.last);
      },
      // The server cannot be reached yet: there will be another attempt.
      () => undefined,
    );
  }

  private caughtUp(api: Api): void {
    this.target = undefined;
    api.connection.caughtUp(this);
    if (!this.gap) return;
    const gap = { ...this.gap, until: Date.now() };
    this.gap = undefined;
    this.show({ gaps: [gap, ...this.state.gaps].slice(0, KEPT_GAPS) });
  }

  /** The end of the log, and the position after it, as soon as the server answers. Null: the feed is stopped. */
  private async readEnd(client: ApolloClient): Promise<{ cursor?: string; events?: LatestEventsQuery["events"] } | null> {
    while (!this.stopped)
      try {
        const now = await client.query({ query: EventsNowDocument, fetchPolicy: "network-only" });
        const latest = await client.query({ query: LatestEventsDocument, fetchPolicy: "no-cache" });
        if (!this.stopped) return { cursor: now.data?.eventCursor ?? undefined, events: latest.data?.events };
      } catch {
        await new Promise((resume) => setTimeout(resume, RETRY_MILLISECONDS));
      }
    return null;
  }

  /** Reads what happened in the last hour before the end of the log that is known, page by page. */
  private async readBefore({ client, clock }: Api, cursor: string | null): Promise<void> {
    const oldest = Minutes.hourBefore(clock.now());
    let before = cursor;
    for (let page = 0; page < EARLIER_PAGES && before !== null && !this.stopped; page += 1) {
      const { nodes, pageInfo } = await timesBefore(client, before);
      for (const { occurredAt } of nodes) this.minutes.add(occurredAt);
      this.statuses.addEarlier(nodes);
      const isOver = nodes.length === 0 || Date.parse(nodes[0]!.occurredAt) < oldest;
      before = isOver || !pageInfo.hasPreviousPage ? null : (pageInfo.startCursor ?? null);
    }
    if (before === null) this.statuses.isWhole = true;
    this.show({});
  }

  private show(change: Partial<FeedState>): void {
    this.state = { ...this.state, ...change };
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      for (const listener of this.listeners) listener();
    }, TOGETHER_MILLISECONDS);
  }
}

type EventTimes = NonNullable<EventTimesQuery["events"]>;

async function timesBefore(client: ApolloClient, before: string): Promise<EventTimes> {
  const { data } = await client.query({ query: EventTimesDocument, variables: { before }, fetchPolicy: "no-cache" });
  return data?.events ?? { nodes: [], pageInfo: { hasPreviousPage: false, startCursor: null } };
}

export function useFeed(feed: Feed): FeedState {
  return useSyncExternalStore(feed.subscribe, feed.read);
}
