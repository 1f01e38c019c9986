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
  const request = fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(30_000) });
  const { data, errors } = await request.then((response) => response.json()).catch(() => ({}));
  return errors?.[0].extensions?.code ?? (data && !errors ? "DONE" : "UNAVAILABLE"); // a proxy may answer with neither
}

async function handle({ cursor, room: { roomId, visitor } }) {
  for (;;) {
    let code = await run(GREET, { roomId, text: `Welcome, ${visitor.name ?? "visitor"}!`, ack: { consumer, cursor } });
    if (code === "ROOM_CLOSED") code = await run(ACK, { consumer, cursor, only: true });
    if (code === "DONE" || code === "ALREADY_ACKNOWLEDGED") return; // greeted: now, or before the app was killed
    console.error(`${roomId}: ${code}, again in a second`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
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
    if (type === "error" || type === "complete") console.error(type, payload?.[0].message), socket.close();
  };
  socket.onclose = ({ code, reason }) => (
    console.error(`closed: ${code} ${reason}`), code === 4403 ? process.exit(1) : setTimeout(listen, 500 + 1_000 * Math.random()));
})();
