import { useEffect } from "react";
import { useApolloClient, useQuery } from "@apollo/client/react";
import { ROOMS, watchRooms, type RoomRow, type RoomsVariables } from "./watchRooms";

const variables: RoomsVariables = { where: { status: ["QUEUED", "ASSIGNED", "ON_HOLD"] }, first: 50 };

export function OpenRooms() {
  const client = useApolloClient();
  useEffect(() => watchRooms(client, variables), [client]);
  const { data, error } = useQuery<{ rooms: { nodes: RoomRow[] } | null }>(ROOMS, { variables, errorPolicy: "all" });

  if (error) return <p>{error.message}</p>;
  return (
    <ul>
      {data?.rooms?.nodes.map((room) => (
        <li key={room.id}>
          {room.status} {room.subject} ({room.visitor.name})
        </li>
      ))}
    </ul>
  );
}
