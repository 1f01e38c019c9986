// The audit suite of graphql-http: usage: node http.mjs URL [TOKEN]. Prints one line of JSON.
import { auditServer } from "graphql-http";

const [url, token] = process.argv.slice(2);
const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
const results = await auditServer({
  url,
  fetchFn: (input, init = {}) => fetch(input, { ...init, headers: { ...init.headers, ...authorization } }),
});

const tally = {};
const failed = [];
for (const result of results) {
  const level = result.name.split(" ")[0];
  tally[level] ??= [0, 0];
  tally[level][1] += 1;
  if (result.status === "ok") tally[level][0] += 1;
  else failed.push(`${result.id} ${result.name}: ${result.reason}`);
}
console.log(JSON.stringify({ total: results.length, passed: results.length - failed.length, tally, failed }));
