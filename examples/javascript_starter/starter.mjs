// Greets each new conversation once, whenever it is killed. Node 22 or later: SWITCHBOARD_TOKEN=... node starter.mjs
const url = process.env.SWITCHBOARD_URL ?? "http://127.0.0.1:8000/graphql";
const token = process.env.SWITCHBOARD_TOKEN;
const consumer = process.env.CONSUMER ?? "greeter";

const EVENTS = `subscription Events($consumer: String!) {
  events(consumer: $consumer, types: [ROOM_STARTED], notByMe: true, maxInFlight: 100) {
    cursor ... on RoomEvent { room { roomId visitor { name } } } } }`;
const GREET = `mutation Greet($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }`;
const ACK = `mutation Ack($input: AckEventsInput!) { ackEvents(input: $input) { consumer { lag } } }`;

async function run(query, input) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ query, variables: { input } });
  const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(30_000) });
  return (await response.json()).errors?.[0].extensions.code; // undefined if it succeeded
}

async function handle({ cursor, room }) {
  const text = `Welcome, ${room.visitor.name ?? "visitor"}!`;
  const greet = () => run(GREET, { roomId: room.roomId, text, ack: { consumer, cursor } });
  const code = await greet().catch(() => "UNAVAILABLE");
  if (code === undefined || code === "ALREADY_ACKNOWLEDGED") return; // greeted: now, or before the app was killed
  if (code === "ROOM_CLOSED") return run(ACK, { consumer, cursor, only: true });
  console.error(`${room.roomId}: ${code}, again in a second`);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return handle({ cursor, room });
}

(function listen() {
  const socket = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  let handled = Promise.resolve();
  socket.onopen = () => send({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(data);
    if (type === "connection_ack") send({ id: "1", type: "subscribe", payload: { query: EVENTS, variables: { consumer } } });
    if (type === "ping") send({ type: "pong" });
    if (type === "next") handled = handled.then(() => handle(payload.data.events));
    if (type === "error" || type === "complete") socket.close();
  };
  socket.onclose = ({ code }) => (code === 4403 ? process.exit(1) : setTimeout(listen, 1_000 * Math.random() + 500));
})();
