import { gql, type Client, type DocumentInput } from "@urql/core";
import { Revisions, becomesEqual, changeAtRandom, check, departmentId, equal, post, refused, report, startRoom, token, TOO_LONG, url } from "./common";
import { connect } from "./client";
import { renameRoom } from "./renameRoom";
import { ROOMS, watchRooms, type RoomsVariables } from "./watchRooms";

const LIVE = gql<{ room: { subject: string } }, { id: string }>`
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
  await renameRoom(client, { id }, "at last");
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
    update: (id, subject) => renameRoom(client, { id }, subject),
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

await check("a change is shown at once, and taken back when it is refused", async () => {
  const client = connect(url, token);
  const id = await startRoom("at first");
  await client.query(LIVE, { id }).toPromise();
  const subject = () => client.readQuery(LIVE, { id })?.data?.room.subject;
  const change = renameRoom(client, { id }, "at last");
  equal(subject(), "at last");
  await change;
  equal(subject(), "at last");
  const wrong = renameRoom(client, { id }, TOO_LONG);
  equal(subject(), TOO_LONG);
  await refused(wrong);
  equal(subject(), "at last");
});

/** The value with the names of its objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort().map(([name, field]) => [name, sorted(field)]));
}

report();
