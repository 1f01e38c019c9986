import { gql, type Client } from "@urql/core";
import type { OptimisticMutationResolver } from "@urql/exchange-graphcache";

const RENAME_ROOM = gql`
  mutation RenameRoom($id: ID!, $subject: String!) {
    updateRoom(input: { roomId: $id, subject: $subject }) {
      room {
        id
        revision
        subject
      }
    }
  }
`;

/** What the cache shows until the mutation `updateRoom` is answered. */
export const renamed: OptimisticMutationResolver = (args, cache) => {
  const { roomId, subject } = args.input as { roomId: string; subject?: string };
  const room = { __typename: "Room", id: roomId };
  const [revision, before] = [cache.resolve(room, "revision"), cache.resolve(room, "subject")];
  return { __typename: "UpdateRoomPayload", room: { ...room, revision, subject: subject ?? before } };
};

/** Changes the subject of a room. The new subject is shown at once, and the old one again if the server refuses it. */
export async function renameRoom(client: Client, room: { id: string }, subject: string): Promise<void> {
  const { error } = await client.mutation(RENAME_ROOM, { id: room.id, subject }).toPromise();
  if (error) throw error;
}
