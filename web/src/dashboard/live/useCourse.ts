import { useMemo } from "react";
import { useFeed } from "../client/feed";
import { useApi, useNow } from "../client/hooks";
import { STEP_MILLISECONDS, type Course, type Present } from "../client/statusCourse";
import { useMay, useSession } from "../session/session";

/** The course of the queue in the last minutes, again each five seconds. Null: the token may not read events. */
export function useCourse(present: Present | null): Course | null {
  const { feed } = useSession();
  const { clock } = useApi();
  const mayReadEvents = useMay("events:read");
  useFeed(feed);
  const step = Math.floor(useNow() / STEP_MILLISECONDS);
  const { waiting, served, oldest } = present ?? {};
  return useMemo(
    () => (present && mayReadEvents ? feed.statuses.upTo(clock.now(), present) : null),
    // `present` is a new object with each rendering.
    [feed, clock, mayReadEvents, feed.statuses.isWhole, step, waiting, served, oldest],
  );
}
