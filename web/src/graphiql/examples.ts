import overview from "./examples/overview.graphql?raw";
import watch from "./examples/watch.graphql?raw";
import agents from "./examples/agents.graphql?raw";
import conversation from "./examples/conversation.graphql?raw";
import decide from "./examples/decide.graphql?raw";
import live from "./examples/live.graphql?raw";
import consumers from "./examples/consumers.graphql?raw";
import apps from "./examples/apps.graphql?raw";

const EXAMPLES = [overview, watch, agents, conversation, decide, live, consumers, apps];

/** One tab for each job, with the variables of its first operation. */
export function exampleTabs(headers: string): { query: string; headers: string; variables: string }[] {
  return EXAMPLES.map((query) => ({ query, headers, variables: variablesOf(query) }));
}

/** The variables that a document shows in its comment `# variables: {...}`, which is one line. */
function variablesOf(document: string): string {
  const shown = /^# variables: (\{.*\})$/m.exec(document)?.[1];
  return shown === undefined ? "" : JSON.stringify(JSON.parse(shown), null, 2);
}
