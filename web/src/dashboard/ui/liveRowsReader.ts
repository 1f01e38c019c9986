import { CombinedGraphQLErrors, type ApolloClient, type OperationVariables } from "@apollo/client";
import { ChangesDocument } from "../../gql/graphql";
import { follow } from "../client/follow";
import { refusalOf } from "../client/refusal";
import type { RowsQuery } from "./useLiveRows";

/** How many rows are shown at first, and how many more with each request for more. */
const STEP = 100;
const SHORTEST_PAUSE_MILLISECONDS = 400;
/** A reading that takes long is repeated less often: the pause is this many times as long as the last reading. */
const PAUSE_FACTOR = 4;
const RETRY_MILLISECONDS = 2_000;
/** Changes of the query within this time, such as letters that are typed, are one reading. */
const TYPING_MILLISECONDS = 150;

interface Change<Row> {
  rows?: Row[];
  totalCount?: number | null;
  hasMore?: boolean;
  loading?: boolean;
  problem?: string | null;
}

/** Reads the pages of a list, and again after each event that may have changed it. */
export class LiveRowsReader<Data, Variables extends OperationVariables, Row> {
  private wanted: number;
  private cursor: string | undefined;
  private reading: Promise<void> | null = null;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastMilliseconds = 0;
  private stopped = false;
  private end: (() => void) | null = null;

  constructor(
    private readonly client: ApolloClient,
    private readonly query: RowsQuery<Data, Variables, Row>,
    private readonly live: boolean,
    private readonly show: (change: Change<Row>) => void,
  ) {
    this.wanted = query.atFirst ?? STEP;
  }

  start(): void {
    this.timer = setTimeout(() => void this.read(), TYPING_MILLISECONDS);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.end?.();
  }

  more(): Promise<void> {
    this.wanted += STEP;
    this.show({ loading: true });
    return this.read();
  }

  /** Reads all shown rows. A call during a reading causes one more, so that the result is not older than the call. */
  read(): Promise<void> {
    if (this.reading === null) this.reading = this.readUntilCurrent().finally(() => (this.reading = null));
    else this.again = true;
    return this.reading;
  }

  private async readUntilCurrent(): Promise<void> {
    do {
      this.again = false;
      clearTimeout(this.timer);
      this.timer = undefined;
      const started = performance.now();
      try {
        await this.readPages();
      } catch (error) {
        if (this.stopped) return;
        // Without an answer of the server the shown rows stay: the top of the page says "offline".
        const refused = CombinedGraphQLErrors.is(error);
        this.show({ loading: false, ...(refused ? { problem: refusalOf(error).message } : {}) });
        if (!refused) this.timer = setTimeout(() => void this.read(), RETRY_MILLISECONDS);
        return;
      }
      this.lastMilliseconds = performance.now() - started;
    } while (this.again && !this.stopped);
  }

  private async readPages(): Promise<void> {
    const rows: Row[] = [];
    let totalCount: number | null = null;
    let next: string | null | undefined;
    do {
      const data = await this.readPage(next ?? undefined);
      if (this.stopped) return;
      const page = this.query.page(data);
      if (page === null) throw new Error("The token may not read this list.");
      rows.push(...page.rows);
      totalCount = page.totalCount ?? totalCount;
      next = page.next;
    } while (next && rows.length < this.wanted);
    const hasMore = Boolean(next) || rows.length > this.wanted;
    this.show({
      rows: rows.slice(0, this.wanted),
      totalCount: totalCount ?? (next ? null : rows.length),
      hasMore,
      loading: false,
      problem: null,
    });
    if (this.live) this.end ??= this.followChanges();
  }

  private async readPage(after: string | undefined): Promise<Data> {
    const events = this.live && after === undefined && this.cursor === undefined;
    const { data } = await this.client.query<Data, Variables>({
      query: this.query.document,
      variables: { ...this.query.variables, events, after } as never,
      fetchPolicy: "network-only",
    });
    if (events) this.cursor = (data as { eventCursor?: string | null }).eventCursor ?? undefined;
    return data as Data;
  }

  private followChanges(): () => void {
    return follow(this.client, {
      document: ChangesDocument,
      variables: () => ({ types: this.query.types, after: this.cursor }),
      next: ({ events }) => {
        this.cursor = events.cursor;
        this.schedule();
      },
      // The position is too old, for example: the next reading takes a new one.
      refused: () => {
        this.cursor = undefined;
        this.schedule();
      },
    });
  }

  private schedule(): void {
    this.timer ??= setTimeout(
      () => void this.read(),
      Math.max(SHORTEST_PAUSE_MILLISECONDS, PAUSE_FACTOR * this.lastMilliseconds),
    );
  }
}
