import { useQuery } from "@apollo/client/react";
import { Paper, Text, Title } from "@mantine/core";
import { useEffect } from "react";
import { WhyWaitingDocument, type NotOffered } from "../../gql/graphql";
import { exact } from "../rooms/status";
import { useSession } from "../session/session";

const TOGETHER_MILLISECONDS = 500;

const REASONS: Record<NotOffered, string> = {
  INACTIVE: "is deactivated",
  NOT_AVAILABLE: "is not available",
  OFFLINE: "is offline",
  AT_CAPACITY: "serves as many rooms as allowed",
  NOT_ACCEPTING: "gets no rooms from routing",
  PASSED_OVER: "gave this room back",
  FILTERED_OUT: "does not match what the room asks for",
};

/** Why nobody serves the room, agent by agent. It is read again when an agent or the queue changes. */
export function WhyWaiting({ id, revision }: { id: string; revision: number }) {
  const { feed } = useSession();
  const { data, refetch } = useQuery(WhyWaitingDocument, { variables: { id }, fetchPolicy: "cache-and-network" });
  const explanation = data?.explainRouting;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void refetch().catch(() => undefined);
      }, TOGETHER_MILLISECONDS);
    };
    const end = feed.onEvent(({ type }) => {
      if (/^(AGENT|USER|DEPARTMENT|ROOM_(STARTED|QUEUED|HELD|CLOSED|TRANSFERRED))/.test(type)) again();
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [feed, refetch, revision]);
  if (!explanation) return null;
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="why" className="why">
      <Title order={2} size="h5" id="why">
        Why is it waiting?
      </Title>
      <Text size="sm">{explanation.summary}</Text>
      <Text size="sm" className="quiet">
        Number {explanation.position} in the queue.
        {explanation.nextChangeAt && ` Routing changes at ${exact(explanation.nextChangeAt)}.`}
      </Text>
      <ul className="considered">
        {explanation.considered.map(({ agent, reason }) => (
          <li key={agent.id}>
            <span aria-hidden>{reason ? "✕" : "✓"}</span> {agent.user.name ?? agent.user.username}{" "}
            <span className="quiet">{reason ? REASONS[reason] : "can take it"}</span>
          </li>
        ))}
      </ul>
    </Paper>
  );
}
