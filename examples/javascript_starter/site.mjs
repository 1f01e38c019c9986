// Serves the visitor's page, and gives each browser a session of its visitor: SWITCHBOARD_TOKEN=... node site.mjs
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const url = process.env.SWITCHBOARD_URL ?? "http://127.0.0.1:8000/graphql";
const port = Number(process.env.PORT ?? 3000);
const files = { "/": new URL("visitor.html", import.meta.url) };
const SESSION = `mutation Session($visitor: String!) {
  saveVisitor(input: { token: $visitor }) { visitor { id } }
  createVisitorSession(input: { visitorToken: $visitor, seconds: 3600 }) { token } }`;

async function createSession(visitor) {
  const headers = { authorization: `Bearer ${process.env.SWITCHBOARD_TOKEN}`, "content-type": "application/json" };
  const body = JSON.stringify({ query: SESSION, variables: { visitor } });
  const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(10_000) });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return { url: url.replace("http", "ws"), token: data.createVisitorSession.token };
}

async function answer({ method, url: path, headers }) {
  if (method === "POST" && path === "/session") {
    // The cookie names the visitor. Only this server reads it.
    const visitor = /visitor=([0-9a-f-]{36})/.exec(headers.cookie ?? "")?.[1] ?? randomUUID();
    const cookie = `visitor=${visitor}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000`;
    return [200, { "set-cookie": cookie, "content-type": "application/json" }, JSON.stringify(await createSession(visitor))];
  }
  const module = /^\/graphql-ws\/([\w-]+\.js)$/.exec(path)?.[1];
  const file = module ? new URL(module, import.meta.resolve("graphql-ws/client")) : files[path];
  if (method !== "GET" || !file) return [404, {}, ""];
  return [200, { "content-type": module ? "text/javascript" : "text/html" }, await readFile(file)];
}

createServer((request, response) =>
  answer(request)
    .catch((error) => (console.error(error.message), [502, {}, ""]))
    .then(([status, headers, body]) => response.writeHead(status, headers).end(body)),
).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
