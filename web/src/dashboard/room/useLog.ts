import { useCallback, useMemo, useRef, useState } from "react";
import { refusalOf } from "../client/refusal";
import { Log, type LogPage } from "./log";

export interface LogState<Entry> {
  entries: Entry[];
  hasEarlier: boolean;
  reading: boolean;
  problem: string | null;
  /** Reads the page before the entries. */
  earlier: () => Promise<void>;
  /** Reads the last page in place of all that is known. */
  restart: () => Promise<void>;
  put: (entry: Entry) => void;
}

/** A log whose pages `read` gives. `key` names the log: another one begins empty. */
export function useLog<Entry extends { id: string }>(
  key: string,
  numberOf: (entry: Entry) => number,
  read: (before: string | undefined) => Promise<LogPage<Entry> | null | undefined>,
): LogState<Entry> {
  const log = useMemo(() => new Log<Entry>(numberOf), [key]);
  const [, setVersion] = useState(0);
  const version = useRef(0);
  const changed = useCallback(() => setVersion((version.current += 1)), []);
  const [reading, setReading] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const latest = useRef(read);
  latest.current = read;

  const earlier = useCallback(async () => {
    setReading(true);
    try {
      const page = await latest.current(log.before);
      if (page) log.prepend(page);
      setProblem(null);
    } catch (error) {
      setProblem(refusalOf(error).message);
    } finally {
      setReading(false);
      changed();
    }
  }, [log, changed]);
  const restart = useCallback(async () => {
    log.clear();
    await earlier();
  }, [log, earlier]);
  const put = useCallback(
    (entry: Entry) => {
      log.put(entry);
      changed();
    },
    [log, changed],
  );
  return { entries: log.entries, hasEarlier: log.hasEarlier, reading, problem, earlier, restart, put };
}
