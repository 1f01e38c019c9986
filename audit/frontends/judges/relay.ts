import { commitMutation, createOperationDescriptor, fetchQuery, getRequest, graphql } from "relay-runtime";
import type { GraphQLTaggedNode, OperationType } from "relay-runtime";
import type { judgeCloseMutation } from "./__generated__/judgeCloseMutation.graphql";
import type { judgeHistoryQuery } from "./__generated__/judgeHistoryQuery.graphql";
import type { judgeLiveQuery } from "./__generated__/judgeLiveQuery.graphql";
import type { watchRoomsQuery } from "./__generated__/watchRoomsQuery.graphql";
import { Revisions, becomesEqual, changeAtRandom, check, departmentId, equal, post, refused, report, startRoom, token, TOO_LONG, url } from "./common";
import { connect } from "./environment";
import { keepNewerRoom } from "./newerRoom";
import { renameRoom } from "./renameRoom";
import { roomsQuery, watchRooms } from "./watchRooms";

const live = graphql`
  query judgeLiveQuery($id: ID!) {
    room(by: { id: $id }) {
      id
      status
      revision
      subject
    }
  }
`;

const history = graphql`
  query judgeHistoryQuery($id: ID!) {
    room(by: { id: $id }) {
      id
      events(last: 20) {
        nodes {
          id
          actor {
            id
            type
            name
          }
          ... on RoomEvent {
            room {
              roomId
              status
              revision
              subject
              visitor {
                visitorId
                name
              }
            }
          }
        }
      }
    }
  }
`;

const close = graphql`
  mutation judgeCloseMutation($id: ID!) {
    closeRoom(input: { roomId: $id }) {
      room {
        id
        revision
        status
      }
    }
  }
`;

type Environment = ReturnType<typeof connect>;

const ask = <Query extends OperationType>(environment: Environment, query: GraphQLTaggedNode, variables: Query["variables"]) =>
  fetchQuery<Query>(environment, query, variables).toPromise();

const closeRoom = (environment: Environment, id: string) =>
  new Promise<void>((resolve, reject) =>
    commitMutation<judgeCloseMutation>(environment, {
      mutation: close,
      variables: { id },
      updater: (store) => keepNewerRoom(environment, store, id),
      onCompleted: () => resolve(),
      onError: reject,
    }),
  );

/** What the store answers a query, and a function that is called whenever that changes. */
function shown<Query extends OperationType>(
  environment: Environment,
  query: GraphQLTaggedNode,
  variables: Query["variables"],
  onChange: (data: Query["response"]) => void = () => {},
): () => Query["response"] {
  const operation = createOperationDescriptor(getRequest(query), variables);
  environment.retain(operation);
  environment.subscribe(environment.lookup(operation.fragment), ({ data }) => onChange(data as Query["response"]));
  return () => environment.lookup(operation.fragment).data as Query["response"];
}

await check("history opened beside a live room leaves the live room right", async () => {
  const environment = connect(url, token);
  const id = await startRoom("at first");
  await ask<judgeLiveQuery>(environment, live, { id });
  await renameRoom(environment, id, "at last");
  await closeRoom(environment, id);
  const answer = await ask<judgeLiveQuery>(environment, live, { id });
  const room = shown<judgeLiveQuery>(environment, live, { id });
  const past = await ask<judgeHistoryQuery>(environment, history, { id });
  equal(past?.room?.events?.nodes[0]?.room?.status, "QUEUED");
  equal(room(), answer);
  equal(room(), await post<object>("query ($id: ID!) { room(by: { id: $id }) { id status revision subject } }", { id }));
});

await check("a live list stays equal to the query, and no room goes back", async () => {
  const environment = connect(url, token);
  const variables: watchRoomsQuery["variables"] = { where: { departmentId, status: ["QUEUED", "ASSIGNED", "ON_HOLD"] }, first: 7 };
  const revisions = new Revisions();
  await ask<watchRoomsQuery>(environment, roomsQuery, variables);
  const list = shown<watchRoomsQuery>(environment, roomsQuery, variables, (data) =>
    data.rooms?.nodes.forEach((room) => revisions.see(room)),
  );
  const open = await Promise.all(Array.from({ length: 10 }, (_, number) => startRoom(`room ${number}`)));
  const stop = watchRooms(environment, variables);
  await changeAtRandom(120, open, {
    update: (id, subject) => renameRoom(environment, id, subject),
    close: (id) => closeRoom(environment, id),
  });
  await becomesEqual(list, async () => await post<object>(getRequest(roomsQuery).params.text!, variables));
  equal(list().rooms?.nodes.length, 7);
  equal(revisions.wentBack, []);
  stop();
});

await check("a change is shown at once, and taken back when it is refused", async () => {
  const environment = connect(url, token);
  const id = await startRoom("at first");
  await ask<judgeLiveQuery>(environment, live, { id });
  const shownRoom = shown<judgeLiveQuery>(environment, live, { id });
  const change = renameRoom(environment, id, "at last");
  equal(shownRoom().room?.subject, "at last");
  await change;
  equal(shownRoom().room?.subject, "at last");
  const wrong = renameRoom(environment, id, TOO_LONG);
  equal(shownRoom().room?.subject, TOO_LONG);
  await refused(wrong);
  equal(shownRoom().room?.subject, "at last");
});

report();
