import { useQuery } from "@apollo/client/react";
import { Badge, Button, Group, Paper, Title } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { RoomFieldDefinitionsDocument } from "../../gql/graphql";
import { valueText } from "../rooms/columns";
import { agentName, exact } from "../rooms/status";
import { useMay } from "../session/session";
import { EditRoom } from "./EditRoom";
import type { RoomDetails } from "./useRoom";

interface DetailsProps {
  room: RoomDetails;
  refresh: () => Promise<RoomDetails | null | undefined>;
}

/** What is known of a room and its visitor, and the form that changes it. */
export function Details({ room, refresh }: DetailsProps) {
  const mayWrite = useMay("rooms:write");
  const definitions = useQuery(RoomFieldDefinitionsDocument).data?.customFieldDefinitions ?? [];
  const [editing, setEditing] = useState(false);
  const { visitor } = room;
  const fields = definitions.map(({ key, label, type }): [string, ReactNode] => [
    label,
    valueText(room.customFields.find((one) => one.key === key)?.value, type),
  ]);
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="details" data-part="details">
      <Group justify="space-between" mb={4}>
        <Title order={2} size="h5" id="details">
          Details
        </Title>
        {mayWrite && room.status !== "CLOSED" && !editing && (
          <Button size="compact-xs" variant="default" onClick={() => setEditing(true)}>
            Edit
          </Button>
        )}
      </Group>
      {editing ? (
        <EditRoom room={room} definitions={definitions} refresh={refresh} end={() => setEditing(false)} />
      ) : (
        <List
          rows={[
            ...fields,
            [
              "Tags",
              room.tags.length > 0 &&
                room.tags.map((tag) => (
                  <Badge key={tag} variant="default" tt="none" mr={4}>
                    {tag}
                  </Badge>
                )),
            ],
            ["Priority", String(room.priority)],
            ["Department", room.department?.name],
            ["Agent", agentName(room)],
            ["Source", room.source],
            ["Started", exact(room.startedAt)],
            ["Closed", room.closedAt && exact(room.closedAt)],
            ["Comment", room.closeComment],
          ]}
        />
      )}
      <Title order={3} size="h6" mt="sm" mb={4}>
        Visitor
      </Title>
      <List
        rows={[
          ["Name", visitor.name],
          ["Email", visitor.email],
          ["Phone", visitor.phone],
          ...visitor.customFields.map(({ key, value }): [string, string] => [key, valueText(value)]),
        ]}
      />
    </Paper>
  );
}

function List({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {rows
        .filter(([, value]) => value)
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
