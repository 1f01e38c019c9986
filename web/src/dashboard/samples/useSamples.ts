import { useCallback, useEffect, useState } from "react";
import { page } from "../../shared/page";
import { storedToken } from "../../shared/token";

/** What `GET /samples` answers. */
export interface SampleState {
  state: "CREATING" | "READY" | "REMOVING" | null;
  created: number;
  expected: number;
  busy: boolean;
  empty: boolean;
}

interface Removal {
  removed: number;
  left: Record<string, string[]>;
}

const POLL_MILLISECONDS = 1_000;
const IDLE_POLL_MILLISECONDS = 60_000;
/** Dispatched when this page has created or removed sample data. Several parts of the page show their state. */
const CHANGED = "switchboard-samples-changed";

/** The sample data of the deployment. For tokens with the scope admin alone. */
export function useSamples() {
  const [state, setState] = useState<SampleState | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const active = working || (state?.busy ?? false);

  const read = useCallback(() => ask<SampleState>("GET").then(setState, () => undefined), []);
  useEffect(() => {
    void read();
    const timer = setInterval(() => void read(), active ? POLL_MILLISECONDS : IDLE_POLL_MILLISECONDS);
    return () => clearInterval(timer);
  }, [active, read]);
  useEffect(() => {
    const listener = () => void read();
    window.addEventListener(CHANGED, listener);
    return () => window.removeEventListener(CHANGED, listener);
  }, [read]);

  async function work<Answer>(method: "POST" | "DELETE"): Promise<Answer | null> {
    setWorking(true);
    setProblem(null);
    try {
      return await ask<Answer>(method);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      return null;
    } finally {
      await read();
      setWorking(false);
      window.dispatchEvent(new Event(CHANGED));
    }
  }

  return {
    state,
    active,
    problem,
    create: () => work<SampleState>("POST"),
    remove: async () => {
      const removal = await work<Removal>("DELETE");
      const left = Object.values(removal?.left ?? {}).flat();
      if (left.length > 0) setProblem(`Other data use what stays: ${left.join(", ")}.`);
      return removal !== null && left.length === 0;
    },
  };
}

async function ask<Answer>(method: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${storedToken() ?? ""}` };
  const response = await fetch(`${location.origin}${page.base}/samples`, { method, headers });
  const answer = (await response.json()) as Answer & { errors?: { message: string }[] };
  if (answer.errors?.[0]) throw new Error(answer.errors[0].message);
  return answer;
}
