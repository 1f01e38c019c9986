import { Stack, Text, Title } from "@mantine/core";
import { useEffect } from "react";
import { useMay, useSession } from "../session/session";
import { useOpenCounts } from "../shell/openCounts";
import { Agents } from "./Agents";
import { EventFeed } from "./EventFeed";
import { EventRate } from "./EventRate";
import { Queue } from "./Queue";
import { Tiles } from "./Tiles";
import { useFloor } from "./useFloor";

/** Are customers waiting, who is serving, and what is happening. */
export function LivePage() {
  const mayReadRooms = useMay("rooms:read");
  const mayReadUsers = useMay("users:read");
  const mayReadEvents = useMay("events:read");
  const { feed } = useSession();
  useEffect(() => feed.needEarlier(), [feed]);
  const groups = useOpenCounts();
  const floor = useFloor();
  return (
    <Stack gap="sm">
      <Title order={1} size="h2">
        Live
      </Title>
      {mayReadRooms && <Tiles groups={groups} agents={floor.agents} mayReadUsers={mayReadUsers} />}
      <div className="floor">
        <Stack gap="sm">
          {mayReadRooms && <Queue />}
          {mayReadUsers && <Agents {...floor} />}
          {mayReadEvents && <EventRate />}
        </Stack>
        {mayReadEvents ? <EventFeed /> : <Text className="quiet">This token may not read events.</Text>}
      </div>
    </Stack>
  );
}
