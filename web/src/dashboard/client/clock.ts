const TICK_MILLISECONDS = 1_000;
/** A measurement is replaced by a less exact one after this time. */
const KEPT_MILLISECONDS = 60_000;

/** The server's time, from the `Date` of its answers, again each second for whoever listens. */
export class ServerClock {
  private offset = 0;
  private roundTrip = Infinity;
  private measuredAt = -Infinity;
  private tick = Date.now();
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly listeners = new Set<() => void>();

  /** Measures with an answer to a request that was sent at `sent`. */
  note(answer: Response, sent: number): void {
    const date = Date.parse(answer.headers.get("date") ?? "");
    const received = Date.now();
    const isOld = received - this.measuredAt > KEPT_MILLISECONDS;
    if (Number.isNaN(date) || (received - sent > this.roundTrip && !isOld)) return;
    this.roundTrip = received - sent;
    this.measuredAt = received;
    // The header has whole seconds: a smaller difference may be its rounding.
    const offset = date + 500 - (sent + received) / 2;
    this.offset = Math.abs(offset) < 1_000 ? 0 : offset;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.timer ??= setInterval(() => this.advance(), TICK_MILLISECONDS);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    };
  };

  /** The time of the last tick. */
  readonly read = (): number => {
    if (this.timer === undefined) this.tick = Math.floor(this.now() / TICK_MILLISECONDS) * TICK_MILLISECONDS;
    return this.tick;
  };

  now(): number {
    return Date.now() + this.offset;
  }

  private advance(): void {
    this.tick = this.now();
    for (const listener of this.listeners) listener();
  }
}
