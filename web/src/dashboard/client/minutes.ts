const MINUTE = 60_000;
const MINUTES = 60;

/** How many events happened in each minute of the last hour. */
export class Minutes {
  private readonly counts = new Map<number, number>();

  add(time: string): void {
    const minute = Math.floor(Date.parse(time) / MINUTE);
    this.counts.set(minute, (this.counts.get(minute) ?? 0) + 1);
  }

  /** The count of each minute up to the present one, with its start in seconds since 1970. */
  upTo(now: number): { times: number[]; counts: number[] } {
    const present = Math.floor(now / MINUTE);
    for (const minute of this.counts.keys()) if (minute <= present - MINUTES) this.counts.delete(minute);
    const minutes = Array.from({ length: MINUTES }, (_, index) => present - MINUTES + 1 + index);
    return { times: minutes.map((minute) => minute * 60), counts: minutes.map((minute) => this.counts.get(minute) ?? 0) };
  }

  static hourBefore(now: number): number {
    return now - MINUTE * MINUTES;
  }
}
