import { Paper, Text, Title } from "@mantine/core";
import { Link } from "react-router";
import { printTerm } from "../rooms/filter/terms";
import type { Floor, FloorAgent } from "./useFloor";

/** Each agent's load against its limit. Those with the most work come first. */
export function Agents({ agents, totalCount }: Floor) {
  const sorted = [...(agents ?? [])].sort((one, other) => rank(one) - rank(other) || other.openRoomCount - one.openRoomCount);
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="agents">
      <Title order={2} size="h5" id="agents">
        Agents
      </Title>
      {agents && agents.length === 0 && <Text className="quiet">There is no agent yet.</Text>}
      <ul className="bars scrolled" tabIndex={0} aria-label="Agents and their load">
        {sorted.map((agent) => (
          <li key={agent.id}>
            <Link to={`/rooms?status=assigned&filter=${encodeURIComponent(printTerm({ name: "agent", value: agent.user.username, not: false }))}`}>
              <span className="bar-name">
                <span className={`presence-dot ${agent.user.presence}`} aria-hidden />
                {agent.user.name ?? agent.user.username}
              </span>
              <span className="bar-note quiet">{describe(agent)}</span>
              <span className="bar" aria-hidden>
                <span className={isFull(agent) ? "full" : ""} style={{ width: `${load(agent)}%` }} />
              </span>
              <span className="bar-value">
                {agent.openRoomCount}
                <span className="quiet">{isLimited(agent) ? ` of ${agent.maxRooms}` : ""}</span>
              </span>
            </Link>
          </li>
        ))}
      </ul>
      {totalCount > sorted.length && (
        <Text size="sm" className="quiet">
          The first {sorted.length} of {totalCount.toLocaleString()}.
        </Text>
      )}
    </Paper>
  );
}

function rank({ user, status }: FloorAgent): number {
  return (user.presence === "OFFLINE" ? 2 : 0) + (status === "AVAILABLE" ? 0 : 1);
}

function isLimited({ maxRooms }: FloorAgent): boolean {
  return maxRooms !== null && maxRooms !== undefined;
}

function isFull(agent: FloorAgent): boolean {
  return isLimited(agent) && agent.openRoomCount >= agent.maxRooms!;
}

function describe(agent: FloorAgent): string {
  const words = [agent.user.presence.toLowerCase()];
  if (agent.status !== "AVAILABLE") words.push("not available");
  if (isFull(agent)) words.push("full");
  return words.join(", ");
}

/** Without a limit, ten rooms fill the bar. */
function load({ openRoomCount, maxRooms }: FloorAgent): number {
  return Math.min(100, (100 * openRoomCount) / (maxRooms ?? 10) || 0);
}
