import { useEffect } from "react";
import { useClient, useQuery } from "urql";
import { ROOMS, watchRooms, type RoomsVariables } from "./watchRooms";

const variables: RoomsVariables = { where: { status: ["QUEUED", "ASSIGNED", "ON_HOLD"] }, first: 50 };

export function OpenRooms() {
  const client = useClient();
  const [{ data, error, fetching }] = useQuery({ query: ROOMS, variables });
  useEffect(() => (fetching ? undefined : watchRooms(client, variables)), [client, fetching]);

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
