import { gql } from "@apollo/client";
import { Revisions, becomesEqual, changeAtRandom, check, departmentId, equal, post, refused, report, startRoom, token, TOO_LONG, url } from "./common";
import { connect } from "./client";
import { renameRoom } from "./renameRoom";
import { ROOMS, watchRooms, type RoomRow, type RoomsVariables } from "./watchRooms";

const LIVE = gql`
  query Live($id: ID!) {
    room(by: { id: $id }) {
      id
      status
      revision
      subject
    }
  }
`;

const HISTORY = gql`
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

await check("history opened beside a live room leaves the live room right", async () => {
  const client = connect(url, token);
  const id = await startRoom("at first");
  const before = await client.query<{ room: RoomRow }>({ query: LIVE, variables: { id } });
  await renameRoom(client, before.data!.room, "at last");
  await client.mutate({ mutation: CLOSE, variables: { id } });
  const live = await client.query<{ room: object }>({ query: LIVE, variables: { id } });
  const history = await client.query<{ room: { events: { nodes: { room: { status: string } }[] } } }>({
    query: HISTORY,
    variables: { id },
  });
  equal(history.data!.room.events.nodes.at(0)!.room.status, "QUEUED");
  equal(client.readQuery<{ room: object }>({ query: LIVE, variables: { id } }), live.data);
  const { room } = await post<{ room: object }>("query ($id: ID!) { room(by: { id: $id }) { __typename id status revision subject } }", { id });
  equal(live.data!.room, room);
});

await check("a live list stays equal to the query, and no room goes back", async () => {
  const client = connect(url, token);
  const variables: RoomsVariables = { where: { departmentId, status: ["QUEUED", "ASSIGNED", "ON_HOLD"] }, first: 7 };
  const revisions = new Revisions();
  const rooms = (): RoomRow[] => client.readQuery<{ rooms: { nodes: RoomRow[] } }>({ query: ROOMS, variables })?.rooms.nodes ?? [];
  client
    .watchQuery<{ rooms: { nodes: RoomRow[] } }, RoomsVariables>({ query: ROOMS, variables, fetchPolicy: "cache-only" })
    .subscribe(({ data, dataState }) => dataState === "complete" && data.rooms.nodes.forEach((room) => revisions.see(room)));
  const open = await Promise.all(Array.from({ length: 10 }, (_, number) => startRoom(`room ${number}`)));
  const stop = watchRooms(client, variables);
  await changeAtRandom(120, open, {
    update: (id, subject) => renameRoom(client, { id, revision: revisions.of(id) }, subject),
    close: async (id) => void (await client.mutate({ mutation: CLOSE, variables: { id } })),
  });
  await becomesEqual(rooms, async () => {
    const query = ROOMS.loc!.source.body.replace(/\bid\b/g, "__typename id");
    return (await post<{ rooms: { nodes: RoomRow[] } }>(query, variables)).rooms.nodes;
  });
  equal(rooms().length, 7);
  equal(revisions.wentBack, []);
  stop();
});

await check("a change is shown at once, and taken back when it is refused", async () => {
  const client = connect(url, token);
  const id = await startRoom("at first");
  await client.query({ query: LIVE, variables: { id } });
  const room = () => client.readQuery<{ room: RoomRow }>({ query: LIVE, variables: { id } }, true)!.room;
  const change = renameRoom(client, room(), "at last");
  equal(room().subject, "at last");
  await change;
  equal(room().subject, "at last");
  const wrong = renameRoom(client, room(), TOO_LONG);
  equal(room().subject, TOO_LONG);
  await refused(wrong);
  equal(room().subject, "at last");
});

report();
