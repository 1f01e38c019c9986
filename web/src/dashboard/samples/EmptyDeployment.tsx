import { Anchor, Button, Code, Group, Paper, Progress, Stack, Text, Title } from "@mantine/core";
import { apiUrl, page } from "../../shared/page";
import { Problem } from "../shell/Problem";
import { useMay } from "../session/session";
import "./samples.css";
import { useSamples } from "./useSamples";

/** On a deployment without agents and rooms: sample data, and how to make the first room. */
export function EmptyDeployment() {
  return useMay("admin") ? <Offer /> : null;
}

function Offer() {
  const { state, active, problem, create } = useSamples();
  if (state === null || !(state.empty || active || problem)) return null;
  // Agents and rooms are removed first. The deployment is empty when the removal has ended.
  if (state.state === "READY" || (state.state === "REMOVING" && (active || !state.empty))) return null;
  return (
    <Paper withBorder p="md" mb="md" component="section" aria-labelledby="first-steps">
      <Stack gap="sm">
        <Title order={2} size="h4" id="first-steps">
          This deployment is empty
        </Title>
        <Text>
          Sample data show what the dashboard is for: departments, agents, custom fields, and conversations of the last
          three hours. They can be removed again.
        </Text>
        {active ? (
          <div>
            <Text role="status" size="sm">
              {`Created ${state.created} of ${state.expected || "…"}`}
            </Text>
            <Progress
              value={state.expected ? (100 * state.created) / state.expected : 0}
              aria-label="Sample data created"
              mt={4}
            />
          </div>
        ) : (
          <Group>
            <Button onClick={() => void create()}>Create sample data</Button>
            <Text className="quiet">
              or <Code>switchboard seed</Code> on the server
            </Text>
          </Group>
        )}
        {problem && <Problem>{problem}</Problem>}
        {state.empty && !active && <FirstRoom />}
      </Stack>
    </Paper>
  );
}

function FirstRoom() {
  const commands = [
    mutation('saveVisitor(input: { token: \\"vera\\", name: \\"Vera\\" }) { visitor { id } }'),
    mutation('startRoom(input: { visitorToken: \\"vera\\", subject: \\"Hello\\" }) { room { id status } }'),
    mutation('createApp(input: { name: \\"my-app\\", scopes: [\\"rooms:read\\"] }) { token }'),
  ];
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        Or begin with a room of your own
      </Title>
      <Text>
        These three commands save a visitor, start its room, and create a token for your app. The room appears here at
        once.
      </Text>
      <pre className="commands" tabIndex={0} aria-label="Three commands that start a room">
        {["export TOKEN=…    # your token", ...commands].join("\n")}
      </pre>
      <Text className="quiet">
        Without a command line:{" "}
        {page.graphiql && <Anchor href={`${page.base}/graphql#conversation`}>GraphiQL with the same operations</Anchor>}
        {page.graphiql && page.chat && ", or "}
        {page.chat && (
          <Anchor href={`${page.base}/chat`} target="_blank">
            chat as a visitor
          </Anchor>
        )}
        .
      </Text>
    </Stack>
  );
}

function mutation(text: string): string {
  return `curl ${apiUrl} -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\\n  -d '{"query": "mutation { ${text} }"}'`;
}
