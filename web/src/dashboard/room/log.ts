export interface LogPage<Entry> {
  nodes: Entry[];
  pageInfo: { hasPreviousPage: boolean; startCursor?: string | null };
}

/** The end of a list that grows there, and that is read backwards page by page. */
export class Log<Entry extends { id: string }> {
  entries: Entry[] = [];
  /** The next page is before it. */
  before: string | undefined;
  hasEarlier = false;

  constructor(private readonly numberOf: (entry: Entry) => number) {}

  /** Adds the page that is before the entries. */
  prepend({ nodes, pageInfo }: LogPage<Entry>): void {
    const known = new Set(this.entries.map(({ id }) => id));
    this.entries = [...nodes.filter(({ id }) => !known.has(id)), ...this.entries];
    this.before = pageInfo.startCursor ?? undefined;
    this.hasEarlier = pageInfo.hasPreviousPage;
  }

  /** Adds an entry, or replaces it. One of the pages that were not read yet is left to them. */
  put(entry: Entry): void {
    const first = this.entries[0];
    if (this.hasEarlier && first && this.numberOf(entry) < this.numberOf(first)) return;
    const others = this.entries.filter(({ id }) => id !== entry.id);
    this.entries = [...others, entry].sort((one, other) => this.numberOf(one) - this.numberOf(other));
  }

  clear(): void {
    this.entries = [];
    this.before = undefined;
    this.hasEarlier = false;
  }
}
