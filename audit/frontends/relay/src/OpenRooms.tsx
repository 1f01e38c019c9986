import { useEffect } from "react";
import { useLazyLoadQuery, useRelayEnvironment } from "react-relay";
import type { watchRoomsQuery, watchRoomsQuery$variables } from "./__generated__/watchRoomsQuery.graphql";
import { roomsQuery, watchRooms } from "./watchRooms";

const variables: watchRoomsQuery$variables = { where: { status: ["QUEUED", "ASSIGNED", "ON_HOLD"] }, first: 50 };

export function OpenRooms() {
  const environment = useRelayEnvironment();
  const data = useLazyLoadQuery<watchRoomsQuery>(roomsQuery, variables);
  useEffect(() => watchRooms(environment, variables), [environment]);

  return (
    <ul>
      {data.rooms?.nodes.map((room) => (
        <li key={room.id}>
          {room.status} {room.subject} ({room.visitor.name})
        </li>
      ))}
    </ul>
  );
}
