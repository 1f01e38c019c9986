import { commitMutation, graphql, type IEnvironment } from "relay-runtime";
import type { renameRoomMutation } from "./__generated__/renameRoomMutation.graphql";
import { keepNewerRoom } from "./newerRoom";

const mutation = graphql`
  mutation renameRoomMutation($id: ID!, $subject: String!) @raw_response_type {
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
export function renameRoom(
  environment: IEnvironment,
  room: { readonly id: string; readonly revision: number },
  subject: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    commitMutation<renameRoomMutation>(environment, {
      mutation,
      variables: { id: room.id, subject },
      optimisticResponse: { updateRoom: { room: { id: room.id, revision: room.revision, subject } } },
      updater: (store) => keepNewerRoom(environment, store, room.id),
      onCompleted: (_, errors) => (errors ? reject(new Error(errors[0]?.message)) : resolve()),
      onError: reject,
    });
  });
}
