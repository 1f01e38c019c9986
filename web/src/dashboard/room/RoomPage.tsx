import { useQuery } from "@apollo/client/react";
import { Paper, Stack, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { useParams } from "react-router";
import { RoomDocument, WhyWaitingDocument, type RoomQuery } from "../../gql/graphql";
import { useNow } from "../client/hooks";
import { Status, agentName, exact, sinceOf, span } from "../rooms/status";
import { useMay } from "../session/session";
import { Problem } from "../shell/Problem";
import { Actions } from "./Actions";
import { Conversation } from "./Conversation";
import { useRoomChanges } from "./useRoomChanges";

export type RoomDetails = NonNullable<RoomQuery["room"]>;

/** One room: its details, its conversation, and its history beside each other. */
export function RoomPage() {
  const { id = "" } = useParams();
  const events = useMay("events:read");
  const messages = useMay("messages:read");
  const { data, error, loading, refetch } = useQuery(RoomDocument, {
    variables: { id, events, messages },
    fetchPolicy: "cache-and-network",
    errorPolicy: "all",
  });
  useRoomChanges(id, data?.eventCursor ?? undefined, refetch);
  const [refusal, report] = useState<string | null>(null);
  useEffect(() => report(null), [id]);
  const room = data?.room;
  // An agent whose colleague was faster may not see the room any more, but reads who was faster.
  const refused = refusal && <Problem>{refusal}</Problem>;
  if (!room)
    return (
      <>
        {refused}
        <Text className="quiet">{loading ? "Reading the room …" : (error?.message ?? "There is no such room that you may see.")}</Text>
      </>
    );
  return (
    <>
      <Title order={1} size="h2">
        {room.subject ?? "(no subject)"}
      </Title>
      {refused}
      {error && <Problem>{error.message}</Problem>}
      <div className="room">
        <Details room={room} report={report} />
        <Conversation room={room} />
        <History room={room} />
      </div>
    </>
  );
}

function Details({ room, report }: { room: RoomDetails; report: (problem: string | null) => void }) {
  const now = useNow();
  const rows: [string, string | null | undefined][] = [
    ["Visitor", room.visitor.name],
    ["Email", room.visitor.email],
    ["Phone", room.visitor.phone],
    ["Department", room.department?.name],
    ["Agent", agentName(room)],
    ["Source", room.source],
    ["Priority", String(room.priority)],
    ["Tags", room.tags.join(", ")],
    ["Started", exact(room.startedAt)],
    ["Comment", room.closeComment],
    ...room.customFields.map(({ key, value }): [string, string] => [key, String(value)]),
  ];
  return (
    <Stack gap="xs">
      <Text role="status">
        <Status status={room.status} /> <span className="quiet">for {span(sinceOf(room), now)}</span>
      </Text>
      <Actions room={room} report={report} />
      <Paper withBorder p="sm" component="section" aria-labelledby="details">
        <Title order={2} size="h4" id="details">
          Details
        </Title>
        {rows
          .filter(([, value]) => value)
          .map(([label, value]) => (
            <Text key={label}>
              <span className="quiet">{label}:</span> {value}
            </Text>
          ))}
      </Paper>
    </Stack>
  );
}

function History({ room }: { room: RoomDetails }) {
  const mayExplain = useMay("users:read");
  return (
    <Stack gap="xs">
      {room.status === "QUEUED" && mayExplain && <WhyWaiting id={room.id} revision={room.revision} />}
      <Paper withBorder p="sm" component="section" aria-labelledby="history">
        <Title order={2} size="h4" id="history">
          Assignments
        </Title>
        {(room.assignments?.nodes ?? []).map(({ agent, since, until, cause, endCause }) => (
          <Text key={since + agent.agentId}>
            {agent.user.name ?? agent.user.username}{" "}
            <span className="quiet">
              {cause.toLowerCase()} {exact(since)}
              {until && `, ${endCause?.toLowerCase() ?? "ended"} ${exact(until)}`}
            </span>
          </Text>
        ))}
        {room.assignments?.nodes.length === 0 && <Text className="quiet">Nobody has served this room yet.</Text>}
      </Paper>
    </Stack>
  );
}

function WhyWaiting({ id, revision }: { id: string; revision: number }) {
  const { data, refetch } = useQuery(WhyWaitingDocument, { variables: { id }, fetchPolicy: "cache-and-network" });
  useEffect(() => void refetch(), [refetch, revision]);
  const explanation = data?.explainRouting;
  if (!explanation) return null;
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="why">
      <Title order={2} size="h4" id="why">
        Why is it waiting?
      </Title>
      <Text>{explanation.summary}</Text>
      <Text className="quiet">Position {explanation.position} in the queue.</Text>
      {explanation.considered.map(({ agent, reason }) => (
        <Text key={agent.id}>
          {agent.user.username}{" "}
          <span className="quiet">{reason ? reason.toLowerCase().replaceAll("_", " ") : "can take it"}</span>
        </Text>
      ))}
    </Paper>
  );
}
