import { useEffect, useState } from "react";
import { useSession } from "../session/session";

const EVERY_MILLISECONDS = 5_000;
const KEPT = 120;

/** What numbers were in the last minutes: one value each five seconds. */
export class Samples {
  private readonly values = new Map<string, number[]>();

  of(name: string): number[] {
    return this.values.get(name) ?? [];
  }

  add(name: string, value: number): number[] {
    const kept = [...this.of(name), value].slice(-KEPT);
    this.values.set(name, kept);
    return kept;
  }
}

/** The values that a number had while the page was open. A number that is null is not known. */
export function useSamples(name: string, value: number | null): number[] {
  const { samples } = useSession();
  const [values, setValues] = useState(() => samples.of(name));
  useEffect(() => {
    if (value === null) return;
    setValues(samples.add(name, value));
    const timer = setInterval(() => setValues(samples.add(name, value)), EVERY_MILLISECONDS);
    return () => clearInterval(timer);
  }, [samples, name, value]);
  return values;
}
