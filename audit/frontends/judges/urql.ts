import { gql, type Client, type DocumentInput } from "@urql/core";
import { Revisions, becomesEqual, changeAtRandom, check, departmentId, equal, post, report, startRoom, token, url } from "./common";
import { connect } from "./client";
import { ROOMS, watchRooms, type RoomsVariables } from "./watchRooms";

const LIVE = gql<{ room: object }, { id: string }>`
  query Live($id: ID!) {
    room(by: { id: $id }) {
      id
      status
      revision
      subject
    }
  }
`;

const HISTORY = gql<{ room: { events: { nodes: { room: { status: string } }[] } } }, { id: string }>`
  query History($id: ID!) {
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

const UPDATE = gql`
  mutation Update($id: ID!, $subject: String!) {
    updateRoom(input: { roomId: $id, subject: $subject }) {
      room {
        id
        revision
        subject
      }
    }
  }
`;

const CLOSE = gql`
  mutation Close($id: ID!) {
    closeRoom(input: { roomId: $id }) {
      room {
        id
        revision
        status
      }
    }
  }
`;

async function change(client: Client, mutation: DocumentInput, variables: object): Promise<void> {
  const { error } = await client.mutation(mutation, variables).toPromise();
  if (error) throw error;
}

await check("history opened beside a live room leaves the live room right", async () => {
  const client = connect(url, token);
  const id = await startRoom("at first");
  await change(client, UPDATE, { id, subject: "at last" });
  await change(client, CLOSE, { id });
  const live = await client.query(LIVE, { id }).toPromise();
  const history = await client.query(HISTORY, { id }).toPromise();
  if (history.error) throw history.error;
  equal(history.data?.room.events.nodes[0]?.room.status, "QUEUED");
  equal(client.readQuery(LIVE, { id })?.data, live.data);
  const query = "query ($id: ID!) { room(by: { id: $id }) { id status revision subject } }";
  equal(sorted(live.data), sorted(await post<object>(query, { id })));
});

await check("a live list stays equal to the query, and no room goes back", async () => {
  const client = connect(url, token);
  const variables: RoomsVariables = { where: { departmentId, status: ["QUEUED", "ASSIGNED", "ON_HOLD"] }, first: 7 };
  const revisions = new Revisions();
  await client.query(ROOMS, variables).toPromise();
  client
    .query(ROOMS, variables, { requestPolicy: "cache-only" })
    .subscribe(({ data }) => data?.rooms?.nodes.forEach((room) => revisions.see(room)));
  const open = await Promise.all(Array.from({ length: 10 }, (_, number) => startRoom(`room ${number}`)));
  const stop = watchRooms(client, variables);
  await changeAtRandom(120, open, {
    update: (id, subject) => change(client, UPDATE, { id, subject }),
    close: (id) => change(client, CLOSE, { id }),
  });
  const rooms = () => client.readQuery(ROOMS, variables)?.data;
  await becomesEqual(
    () => sorted(rooms()),
    async () => sorted((await connect(url, token).query(ROOMS, variables).toPromise()).data),
  );
  equal(rooms()?.rooms?.nodes.length, 7);
  equal(revisions.wentBack, []);
  stop();
});

/** The value with the names of its objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort().map(([name, field]) => [name, sorted(field)]));
}

report();
