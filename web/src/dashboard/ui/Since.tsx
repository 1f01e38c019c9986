import { exact, span } from "../rooms/status";
import { useNow } from "../client/hooks";

/** A moment as the time since then, with the exact time on hover. */
export function Since({ time, never = "never" }: { time: string | null | undefined; never?: string }) {
  const now = useNow();
  if (!time) return <span className="quiet">{never}</span>;
  return (
    <time dateTime={time} title={exact(time)}>
      {span(time, now)} ago
    </time>
  );
}
