import overview from "./examples/overview.graphql?raw";
import watch from "./examples/watch.graphql?raw";
import agents from "./examples/agents.graphql?raw";
import users from "./examples/users.graphql?raw";
import fields from "./examples/fields.graphql?raw";
import conversation from "./examples/conversation.graphql?raw";
import decide from "./examples/decide.graphql?raw";
import live from "./examples/live.graphql?raw";
import consumers from "./examples/consumers.graphql?raw";
import bots from "./examples/bots.graphql?raw";
import apps from "./examples/apps.graphql?raw";

const EXAMPLES: Record<string, string> = {
  overview,
  watch,
  agents,
  users,
  fields,
  conversation,
  decide,
  live,
  consumers,
  bots,
  apps,
};

interface Example {
  query: string;
  variables: string;
}

/** One tab for each job, the chosen one first, with the variables of its first operation. */
export function exampleTabs(headers: string, chosen: Example | null): (Example & { headers: string })[] {
  const others = Object.values(EXAMPLES).filter((query) => query !== chosen?.query);
  const examples = others.map((query) => ({ query, variables: variablesOf(query) }));
  return [...(chosen ? [chosen] : []), ...examples].map((example) => ({ ...example, headers }));
}

/** The example that the address names: `#conversation`, or `#conversation/ROOM` with the id of a room. */
export function chosenExample(hash: string): Example | null {
  const [name = "", id] = hash.replace(/^#/, "").split("/");
  const query = Object.hasOwn(EXAMPLES, name) ? EXAMPLES[name] : undefined;
  if (query === undefined) return null;
  const variables = variablesOf(query);
  return { query, variables: id ? variables.replace(`${id.split("_")[0]}_...`, id) : variables };
}

/** The variables that a document shows in its comment `# variables: {...}`, which is one line. */
function variablesOf(document: string): string {
  const shown = /^# variables: (\{.*\})$/m.exec(document)?.[1];
  return shown === undefined ? "" : JSON.stringify(JSON.parse(shown), null, 2);
}
