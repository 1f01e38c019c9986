import { useSyncExternalStore } from "react";

export type State = "live" | "catching up" | "offline" | "signed out";

export interface Connection {
  state: State;
  /** Since when the state is this one. */
  since: number;
  /** While catching up: how many events are missing at most. 0 if that is not known. */
  events: number;
}

/** The state of the websocket, and of the subscriptions that have not caught up after a new connection. */
export class ConnectionStore {
  private open = false;
  private ended = false;
  private readonly behind = new Map<object, number>();
  private readonly listeners = new Set<() => void>();
  private snapshot: Connection = { state: "catching up", since: Date.now(), events: 0 };

  opened(): void {
    this.open = true;
    this.update();
  }

  closed(): void {
    this.open = false;
    this.update();
  }

  signedOut(): void {
    this.ended = true;
    this.update();
  }

  /** `subscription` has not received all that happened before: about so many events. */
  startsBehind(subscription: object, events = 0): void {
    this.behind.set(subscription, events);
    this.update();
  }

  caughtUp(subscription: object): void {
    this.behind.delete(subscription);
    this.update();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly read = (): Connection => this.snapshot;

  private update(): void {
    const live = this.behind.size === 0 ? "live" : "catching up";
    const state: State = this.ended ? "signed out" : this.open ? live : "offline";
    const events = state === "catching up" ? Math.max(...this.behind.values()) : 0;
    if (state === this.snapshot.state && events === this.snapshot.events) return;
    const since = state === this.snapshot.state ? this.snapshot.since : Date.now();
    this.snapshot = { state, since, events };
    for (const listener of this.listeners) listener();
  }
}

export function useConnection(store: ConnectionStore): Connection {
  return useSyncExternalStore(store.subscribe, store.read);
}
