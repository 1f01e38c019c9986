// The real graphql-ws and graphql-sse clients against a server: node websockets.mjs URL ADMIN_TOKEN. Prints one line of JSON.
import { createClient as createSseClient } from "graphql-sse";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, admin] = process.argv.slice(2);
const socketUrl = url.replace("http", "ws");
const PATIENCE_MS = 20_000;
const failed = [];
let passed = 0;

// ---------------------------------------------------------------- what the checks are made of

async function check(name, body) {
  try {
    await Promise.race([body(), after(PATIENCE_MS).then(() => { throw new Error("nothing came in time"); })]);
    passed += 1;
  } catch (error) {
    failed.push(`${name}: ${error?.message ?? JSON.stringify(error)}`);
  }
}

const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function equal(found, expected) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${one} instead of ${other}`);
}

async function post(query, variables = {}, token = admin) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

const client = (token, more = {}) =>
  createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams: token === undefined ? undefined : { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    ...more,
  });

/** What one operation gives, until it completes or `enough` have come. */
function collect(from, payload, enough = Infinity) {
  return new Promise((resolve, reject) => {
    const results = [];
    const stop = from.subscribe(payload, {
      next: (result) => {
        results.push(result);
        if (results.length === enough) stop();
      },
      error: reject,
      complete: () => resolve(results),
    });
  });
}

const closing = (from) => new Promise((resolve) => from.on("closed", (event) => resolve([event.code, event.reason])));

/** A socket without a client, to say what no client says: how it is closed. */
function closedAfter(messages, protocol = "graphql-transport-ws") {
  return new Promise((resolve) => {
    const socket = new WebSocket(socketUrl, protocol);
    socket.on("open", () => messages.forEach((one) => socket.send(typeof one === "string" ? one : JSON.stringify(one))));
    socket.on("close", (code) => resolve(code));
    socket.on("error", () => {});
  });
}

const init = { type: "connection_init" };
const app = () =>
  post('mutation { createApp(input: {name: "audit", scopes: ["events:read", "rooms:read", "rooms:write"]}) { token app { id } } }')
    .then(({ createApp }) => createApp);
const start = async (subject) => {
  await post('mutation { saveVisitor(input: {token: "audit"}) { visitor { id } } }');
  await post('mutation($s: String) { startRoom(input: {visitorToken: "audit", subject: $s}) { room { id } } }', { s: subject });
};

// ---------------------------------------------------------------- graphql-ws

await check("graphql-ws: a query is answered and completed", async () => {
  equal(await collect(client(admin), { query: "{ viewer { type } }" }), [{ data: { viewer: { type: "APP" } } }]);
});

await check("graphql-ws: a mutation is answered and completed", async () => {
  const query = 'mutation { saveVisitor(input: {token: "audit"}) { visitor { token } } }';
  equal(await collect(client(admin), { query }), [{ data: { saveVisitor: { visitor: { token: "audit" } } } }]);
});

await check("graphql-ws: variables and operation names arrive", async () => {
  const query = "query A { viewer { id } } query B($f: Int!) { users(first: $f) { pageInfo { hasPreviousPage } } }";
  const found = await collect(client(admin), { query, operationName: "B", variables: { f: 1 } });
  equal(found, [{ data: { users: { pageInfo: { hasPreviousPage: false } } } }]);
});

await check("graphql-ws: a subscription gives history, then live events, until it is completed", async () => {
  const { eventCursor } = await post("{ eventCursor }");
  await start("one");
  const query = `subscription { roomStarted(after: "${eventCursor}") { room { subject } } }`;
  const both = collect(client(admin), { query }, 2);
  await start("two");
  equal((await both).map((one) => one.data.roomStarted.room.subject), ["one", "two"]);
});

await check("graphql-ws: several operations share a socket, and end apart", async () => {
  const shared = client(admin, { lazy: false });
  const { eventCursor } = await post("{ eventCursor }");
  const query = `subscription { roomStarted(after: "${eventCursor}") { room { subject } } }`;
  const [first, second] = [collect(shared, { query }, 1), collect(shared, { query }, 2)];
  await start("a");
  await first;
  await start("b");
  equal((await second).map((one) => one.data.roomStarted.room.subject), ["a", "b"]);
  await shared.dispose();
});

for (const [name, query] of [["syntax", "{"], ["unknown field", "{ nothing }"], ["complexity", `{${" __typename".repeat(60)}}`]])
  await check(`graphql-ws: an operation with an error of ${name} fails alone`, async () => {
    const shared = client(admin, { lazy: false });
    const failure = await collect(shared, { query }).then(() => null, (error) => error);
    if (!Array.isArray(failure)) throw new Error(`no GraphQL errors but ${JSON.stringify(failure)}`);
    equal(await collect(shared, { query: "{ __typename }" }), [{ data: { __typename: "Query" } }]);
    await shared.dispose();
  });

await check("graphql-ws: without a token an operation answers UNAUTHENTICATED", async () => {
  const [{ errors }] = await collect(client(undefined), { query: "{ viewer { id } }" });
  equal(errors.map((error) => error.extensions.code), ["UNAUTHENTICATED"]);
});

await check("graphql-ws: ping is answered with pong", async () => {
  const pinging = client(admin, { keepAlive: 50, lazy: false });
  await new Promise((resolve) => pinging.on("pong", (received) => received && resolve()));
  await pinging.dispose();
});

await check("graphql-ws: a token that is not valid is closed with 4403", async () => {
  const refused = client("nobody's", { lazy: false, onNonLazyError: () => {} });
  equal(await closing(refused), [4403, "Forbidden"]);
});

await check("graphql-ws: a client whose app is revoked is closed with 4403", async () => {
  const { token, app: { id } } = await app();
  const watching = client(token, { lazy: false, onNonLazyError: () => {} });
  const closed = closing(watching);
  await collect(watching, { query: "{ viewer { id } }" });
  await post("mutation($id: ID!) { revokeApp(input: {appId: $id}) { app { id } } }", { id });
  equal(await closed, [4403, "The token has ended"]);
});

await check("graphql-ws: a client that loses its socket resumes after the last event it saw", async () => {
  const { token, app: { id } } = await app();
  let current = token;
  const { eventCursor } = await post("{ eventCursor }");
  const resuming = createClient({
    url: socketUrl, webSocketImpl: WebSocket, retryAttempts: 5, shouldRetry: () => true, retryWait: () => after(50),
    connectionParams: () => ({ authorization: `Bearer ${current}` }),
  });
  await start("before");
  let cursor = eventCursor;
  const seen = [];
  const watch = async () => {
    for await (const { data } of resuming.iterate({ query: `subscription { roomStarted(after: "${cursor}") { cursor room { subject } } }` })) {
      cursor = data.roomStarted.cursor;
      seen.push(data.roomStarted.room.subject);
      if (seen.length === 1) {
        const { rotateAppToken } = await post("mutation($id: ID!) { rotateAppToken(input: {appId: $id}) { token } }", { id });
        current = rotateAppToken.token;
        return;
      }
      if (seen.length === 2) return;
    }
  };
  await watch();
  await start("after");
  await watch();
  equal(seen, ["before", "after"]);
});

for (const [name, code, messages, protocol] of [
  ["a message that is not JSON", 4400, [init, "{"]],
  ["an unknown message", 4400, [init, { type: "start" }]],
  ["a message without an id", 4400, [init, { type: "subscribe", payload: { query: "{ __typename }" } }]],
  ["subscribing before connection_init", 4401, [{ id: "1", type: "subscribe", payload: { query: "{ __typename }" } }]],
  ["an id in use", 4409, [{ ...init, payload: { authorization: `Bearer ${admin}` } }, ...Array(2).fill({ id: "1", type: "subscribe", payload: { query: "subscription { events { id } }" } })]],
  ["a second connection_init", 4429, [init, init]],
  ["no protocol at all", 4406, [], []],
  ["the legacy protocol, which this client takes for no answer,", 1006, [], "graphql-ws"],
  ["a message that is too long", 1009, [init, { type: "ping", payload: { a: "x".repeat(400_000) } }]],
  ["silence", 4408, []],
])
  await check(`protocol: ${name} is closed with ${code}`, async () => equal(await closedAfter(messages, protocol), code));

// ---------------------------------------------------------------- graphql-sse

const sse = (token) => createSseClient({ url, headers: { authorization: `Bearer ${token}` }, retryAttempts: 0 });

await check("graphql-sse: a query is answered and completed", async () => {
  equal(await collect(sse(admin), { query: "{ viewer { type } }" }), [{ data: { viewer: { type: "APP" } } }]);
});

await check("graphql-sse: a subscription gives history, then live events", async () => {
  const { eventCursor } = await post("{ eventCursor }");
  await start("one");
  const query = `subscription { roomStarted(after: "${eventCursor}") { room { subject } } }`;
  const both = collect(sse(admin), { query }, 2);
  await start("two");
  equal((await both).map((one) => one.data.roomStarted.room.subject), ["one", "two"]);
});

await check("graphql-sse: a stream ends with its token", async () => {
  const { token, app: { id } } = await app();
  const results = collect(sse(token), { query: "subscription { roomStarted { id } }" });
  await after(500);
  await post("mutation($id: ID!) { revokeApp(input: {appId: $id}) { app { id } } }", { id });
  equal((await results).map((one) => one.errors?.[0].extensions.code), ["UNAUTHENTICATED"]);
});

console.log(JSON.stringify({ total: passed + failed.length, passed, failed }));
process.exit(0);
