import { commitMutation, createOperationDescriptor, fetchQuery, getRequest, graphql } from "relay-runtime";
import type { GraphQLTaggedNode, MutationParameters, OperationType } from "relay-runtime";
import type { judgeCloseMutation } from "./__generated__/judgeCloseMutation.graphql";
import type { judgeHistoryQuery } from "./__generated__/judgeHistoryQuery.graphql";
import type { judgeLiveQuery } from "./__generated__/judgeLiveQuery.graphql";
import type { judgeUpdateMutation } from "./__generated__/judgeUpdateMutation.graphql";
import type { watchRoomsQuery } from "./__generated__/watchRoomsQuery.graphql";
import { Revisions, becomesEqual, changeAtRandom, check, departmentId, equal, post, report, startRoom, token, url } from "./common";
import { connect } from "./environment";
import { keepNewerRoom } from "./newerRoom";
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

const update = graphql`
  mutation judgeUpdateMutation($id: ID!, $subject: String!) {
    updateRoom(input: { roomId: $id, subject: $subject }) {
      room {
        id
        revision
        subject
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

const change = <Mutation extends MutationParameters>(
  environment: Environment,
  mutation: GraphQLTaggedNode,
  variables: Mutation["variables"] & { id: string },
) =>
  new Promise<void>((resolve, reject) =>
    commitMutation<Mutation>(environment, {
      mutation,
      variables,
      updater: (store) => keepNewerRoom(environment, store, variables.id),
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
  await change<judgeUpdateMutation>(environment, update, { id, subject: "at last" });
  await change<judgeCloseMutation>(environment, close, { id });
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
    update: (id, subject) => change<judgeUpdateMutation>(environment, update, { id, subject }),
    close: (id) => change<judgeCloseMutation>(environment, close, { id }),
  });
  await becomesEqual(list, async () => await post<object>(getRequest(roomsQuery).params.text!, variables));
  equal(list().rooms?.nodes.length, 7);
  equal(revisions.wentBack, []);
  stop();
});

report();
