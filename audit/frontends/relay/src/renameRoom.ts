import { commitMutation, graphql, type IEnvironment } from "relay-runtime";
import type { renameRoomMutation } from "./__generated__/renameRoomMutation.graphql";
import { keepNewerRoom } from "./newerRoom";

const mutation = graphql`
  mutation renameRoomMutation($id: ID!, $subject: String!) {
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
export function renameRoom(environment: IEnvironment, id: string, subject: string): Promise<void> {
  return new Promise((resolve, reject) => {
    commitMutation<renameRoomMutation>(environment, {
      mutation,
      variables: { id, subject },
      optimisticUpdater: (store) => void store.get(id)?.setValue(subject, "subject"),
      updater: (store) => keepNewerRoom(environment, store, id),
      onCompleted: (_, errors) => (errors ? reject(new Error(errors[0]?.message)) : resolve()),
      onError: reject,
    });
  });
}
