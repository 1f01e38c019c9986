import { gql, type ApolloClient } from "@apollo/client";

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

/** Changes the subject of a room. The new subject is shown at once, and the old one again if the server refuses it. */
export async function renameRoom(
  client: ApolloClient,
  room: { id: string; revision: number },
  subject: string,
): Promise<void> {
  await client.mutate({
    mutation: RENAME_ROOM,
    variables: { id: room.id, subject },
    optimisticResponse: {
      updateRoom: {
        __typename: "UpdateRoomPayload",
        room: { __typename: "Room", id: room.id, revision: room.revision, subject },
      },
    },
  });
}
