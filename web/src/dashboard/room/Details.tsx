import { useQuery } from "@apollo/client/react";
import { Anchor, Badge, Button, Group, Paper, Title } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";
import { RoomFieldDefinitionsDocument, VisitorFieldLabelsDocument, type FieldType } from "../../gql/graphql";
import { printTerm } from "../rooms/filter/terms";
import { agentName, exact } from "../rooms/status";
import { useMay } from "../session/session";
import { CopyButton } from "../ui/CopyButton";
import { EditRoom } from "./EditRoom";
import { FieldText } from "./FieldText";
import type { RoomDetails } from "./useRoom";

interface DetailsProps {
  room: RoomDetails;
  refresh: () => Promise<RoomDetails | null | undefined>;
}

/** What is known of a room and its visitor, and the form that changes it. */
export function Details({ room, refresh }: DetailsProps) {
  const mayWrite = useMay("rooms:write");
  const definitions = useQuery(RoomFieldDefinitionsDocument).data?.customFieldDefinitions ?? [];
  const ofVisitors = useQuery(VisitorFieldLabelsDocument).data?.customFieldDefinitions ?? [];
  const [editing, setEditing] = useState(false);
  const { visitor } = room;
  const agent = room.servedBy?.user.username;
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
            ...fieldRows(definitions, room.customFields),
            [
              "Tags",
              room.tags.length > 0 &&
                room.tags.map((tag) => (
                  <Badge key={tag} component={Link} to={roomsWith("tag", tag)} variant="default" tt="none" mr={4} className="tag">
                    {tag}
                  </Badge>
                )),
            ],
            ["Priority", String(room.priority)],
            ["Department", room.department && <RoomsLink name="department" value={room.department.name} />],
            ["Agent", agent && <RoomsLink name="agent" value={agent} text={agentName(room)} />],
            ["Source", room.source],
            ["Started", exact(room.startedAt)],
            ["Closed", room.closedAt && exact(room.closedAt)],
            ["Comment", room.closeComment],
            ["Id", <Id key="id" id={room.id} />],
          ]}
        />
      )}
      <Title order={3} size="h6" mt="sm" mb={4}>
        Visitor
      </Title>
      <List
        rows={[
          ["Name", visitor.name],
          ["Email", visitor.email && <Anchor href={`mailto:${visitor.email}`} inherit>{visitor.email}</Anchor>],
          ["Phone", visitor.phone && <Anchor href={`tel:${visitor.phone}`} inherit>{visitor.phone}</Anchor>],
          ...fieldRows(ofVisitors, visitor.customFields),
          ["Rooms", <RoomsLink key="rooms" name="visitor" value={visitor.id} text="all of this visitor" />],
        ]}
      />
    </Paper>
  );
}

type Row = [label: string, value: ReactNode];

/** The values by the labels of their fields, in the order in which the fields were defined. */
function fieldRows(
  definitions: readonly { key: string; label: string; type: FieldType }[],
  values: readonly { key: string; value?: unknown }[],
): Row[] {
  const found = definitions.map(({ key, label, type }) => ({ label, type, value: values.find((one) => one.key === key)?.value }));
  return found
    .filter(({ value }) => value !== undefined && value !== null)
    .map(({ label, type, value }) => [label, <FieldText key={label} value={value} type={type} />]);
}

function roomsWith(name: string, value: string): string {
  return `/rooms?status=all&filter=${encodeURIComponent(printTerm({ name, value, not: false }))}`;
}

/** A link to the rooms that have a value in common with this one. */
function RoomsLink({ name, value, text = value }: { name: string; value: string; text?: string }) {
  return (
    <Anchor component={Link} to={roomsWith(name, value)} inherit>
      {text}
    </Anchor>
  );
}

const SHOWN_OF_AN_ID = 12;

function Id({ id }: { id: string }) {
  return (
    <span className="id">
      <code title={id}>{id.length > SHOWN_OF_AN_ID ? `${id.slice(0, SHOWN_OF_AN_ID)}…` : id}</code>{" "}
      <CopyButton text={id} label="Copy the id of the room" />
    </span>
  );
}

function List({ rows }: { rows: Row[] }) {
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
