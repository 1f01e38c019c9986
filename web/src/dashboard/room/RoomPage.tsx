import { Anchor, Group, SegmentedControl, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { lastList } from "../rooms/places";
import { agentName, Elapsed, sinceOf, Status } from "../rooms/status";
import { Problem } from "../shell/Problem";
import { Actions } from "./Actions";
import { Conversation } from "./Conversation";
import { Details } from "./Details";
import { History } from "./History";
import { useRoom } from "./useRoom";

const PARTS = [
  { value: "conversation", label: "Conversation" },
  { value: "details", label: "Details" },
  { value: "history", label: "History" },
];

/** One room: its details, its conversation and its history beside each other, or as tabs on a phone. */
export function RoomPage() {
  const { id = "" } = useParams();
  const state = useRoom(id);
  const { room, loading, problem } = state;
  const [parameters, setParameters] = useSearchParams();
  const part = PARTS.find(({ value }) => value === parameters.get("part"))?.value ?? "conversation";
  const [refusal, report] = useState<string | null>(null);
  useEffect(() => report(null), [id]);
  useEffect(() => {
    if (!room) return;
    document.title = `${room.subject ?? "Room"} · Switchboard`;
    return () => void (document.title = "Switchboard");
  }, [room]);
  const back = (
    <Anchor component={Link} to={`/rooms${lastList()}`} size="sm">
      ← Rooms
    </Anchor>
  );
  if (!room)
    return (
      <>
        {back}
        {/* An agent whose colleague was faster may not see the room any more, but reads who was faster. */}
        {refusal && <Problem>{refusal}</Problem>}
        <Text className="quiet">{loading ? "Reading the room …" : (problem ?? "There is no such room that you may see.")}</Text>
      </>
    );
  return (
    <div className="room-page">
      {back}
      <header className="room-head">
        <div>
          <Title order={1} size="h3">
            {room.subject ?? "(no subject)"}
          </Title>
          <Group gap="xs">
            <Text role="status" size="sm">
              <Status status={room.status} /> <span className="quiet">for</span> <Elapsed since={sinceOf(room)} />
            </Text>
            <Text size="sm" className="quiet">
              {[room.visitor.name, room.department?.name, agentName(room) && `served by ${agentName(room)}`].filter(Boolean).join(" · ")}
            </Text>
          </Group>
        </div>
        <Actions room={room} report={report} />
      </header>
      {refusal && <Problem>{refusal}</Problem>}
      {problem && <Problem>{problem}</Problem>}
      <SegmentedControl
        className="phone-only"
        fullWidth
        size="xs"
        aria-label="Part of the room"
        value={part}
        onChange={(value) => setParameters(value === "conversation" ? {} : { part: value }, { replace: true })}
        data={PARTS}
      />
      <div className="room" data-part={part}>
        <Details room={room} refresh={state.refresh} />
        <Conversation room={room} messages={state.messages} />
        <History room={room} history={state.history} />
      </div>
    </div>
  );
}
