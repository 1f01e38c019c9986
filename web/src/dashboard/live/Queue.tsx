import { Paper, Text, Title } from "@mantine/core";
import { Link } from "react-router";
import { useNow, useRoomCounts, type CountGroup } from "../client/hooks";
import { printTerm } from "../rooms/filter/terms";
import { span } from "../rooms/status";
import { waitSince } from "./waits";

const QUEUED = { status: ["QUEUED" as const] };

/** How many wait in each department. Colour and word say how long. */
export function Queue() {
  const now = useNow();
  const groups = useRoomCounts(["DEPARTMENT"], QUEUED);
  const sorted = [...(groups ?? [])].sort((one, other) => other.count - one.count);
  const most = Math.max(1, ...sorted.map(({ count }) => count));
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="queue">
      <Title order={2} size="h5" id="queue">
        Queue by department
      </Title>
      {groups?.length === 0 && (
        <Text className="quiet">
          <span className="served-mark" aria-hidden>
            ✓
          </span>{" "}
          Nobody is waiting.
        </Text>
      )}
      <ul className="bars">
        {sorted.map((group) => {
          const wait = waitSince(group.oldestQueuedAt, now);
          return (
            <li key={group.department?.id ?? ""}>
              <Link to={linkTo(group)}>
                <span className="bar-name">{group.department?.name ?? "no department"}</span>
                <span className={`bar-note ${wait.level}`}>
                  {group.oldestQueuedAt && span(group.oldestQueuedAt, now)} · {wait.word}
                </span>
                <span className="bar" aria-hidden>
                  <span className={wait.level} style={{ width: `${(100 * group.count) / most}%` }} />
                </span>
                <span className="bar-value">{group.count}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </Paper>
  );
}

function linkTo({ department }: CountGroup): string {
  const term = printTerm({ name: "department", value: department?.name ?? "none", not: false });
  return `/rooms?status=queued&filter=${encodeURIComponent(term)}`;
}
