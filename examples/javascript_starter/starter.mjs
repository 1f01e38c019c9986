// Greets each new conversation once, whenever it is killed: SWITCHBOARD_TOKEN=... node starter.mjs
import { createClient } from "graphql-ws/client";

const url = process.env.SWITCHBOARD_URL ?? "http://127.0.0.1:8000/graphql";
const consumer = process.env.CONSUMER ?? "greeter";
const EVENTS = `subscription Events($consumer: String!) { events(consumer: $consumer, types: [ROOM_STARTED], notByMe: true) {
  cursor ... on RoomEvent { room { roomId visitor { name } } } } }`;
const GREET = `mutation Greet($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }`;
const ACK = `mutation Ack($input: AckEventsInput!) { ackEvents(input: $input) { consumer { lag } } }`;

let timer;
const client = createClient({
  url: url.replace("http", "ws"),
  connectionParams: { authorization: `Bearer ${process.env.SWITCHBOARD_TOKEN}` },
  retryAttempts: 0, // the two loops below repeat
  keepAlive: 10_000, // a connection on which no ping is answered ends
  on: {
    ping: (received) => received || (timer = setTimeout(() => client.terminate(), 10_000)),
    pong: (received) => received && clearTimeout(timer), closed: () => clearTimeout(timer),
  },
});
const codeOf = (error) => error?.[0]?.extensions?.code ?? error.code ?? error.message;
const pause = () => new Promise((resolve) => setTimeout(resolve, 500 + 1_000 * Math.random()));
const run = (query, input) => client.iterate({ query, variables: { input } }).next()
  .then(({ value: { errors } }) => errors && codeOf(errors), codeOf); // undefined: it succeeded

async function greet({ cursor, room: { roomId, visitor } }) {
  for (;;) {
    let code = await run(GREET, { roomId, text: `Welcome, ${visitor.name ?? "visitor"}!`, ack: { consumer, cursor } });
    if (code === "ROOM_CLOSED") code = await run(ACK, { consumer, cursor, only: true });
    if (code === undefined || code === "ALREADY_ACKNOWLEDGED") return; // greeted: now, or before the app was killed
    console.error(`${roomId}: ${code}, again in a second`);
    await pause();
  }
}

for (;; await pause()) {
  try {
    for await (const { data } of client.iterate({ query: EVENTS, variables: { consumer } })) await greet(data.events);
  } catch (error) {
    console.error(`The events end (${codeOf(error)}).`);
    if (error.code === 4403) process.exit(1); // the token is not valid
  }
}
