import { useEffect } from "react";

/** Calls `read` at once, and again `seconds` after each call has ended, while the page is visible. */
export function useRepeated(read: () => Promise<void>, seconds: number): void {
  useEffect(() => {
    let stopped = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function loop() {
      if (!document.hidden) await read();
      if (!stopped) timer = setTimeout(() => void loop(), 1_000 * seconds);
    }
    void loop();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [read, seconds]);
}
