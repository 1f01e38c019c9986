import { useSyncExternalStore } from "react";

export type State = "live" | "catching up" | "offline" | "signed out";

export interface Connection {
  state: State;
  /** Since when the state is this one. */
  since: number;
}

/** The state of the websocket, and of the subscriptions that have not caught up after a new connection. */
export class ConnectionStore {
  private open = false;
  private ended = false;
  private readonly behind = new Set<object>();
  private readonly listeners = new Set<() => void>();
  private snapshot: Connection = { state: "catching up", since: Date.now() };

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

  /** `subscription` has not received all that happened before. */
  startsBehind(subscription: object): void {
    this.behind.add(subscription);
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
    if (state === this.snapshot.state) return;
    this.snapshot = { state, since: Date.now() };
    for (const listener of this.listeners) listener();
  }
}

export function useConnection(store: ConnectionStore): Connection {
  return useSyncExternalStore(store.subscribe, store.read);
}
