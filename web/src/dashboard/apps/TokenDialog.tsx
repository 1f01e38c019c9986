import { Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { apiUrl } from "../../shared/page";
import { Code } from "../ui/Code";
import { Dialog } from "../ui/Dialog";

export interface NewToken {
  token: string;
  name: string;
  scopes: readonly string[];
}

/** A new token, which is shown only now, and code that uses it. */
export function TokenDialog({ title, created, onClose }: { title: string; created: NewToken; onClose: () => void }) {
  const { token, name } = created;
  return (
    <Dialog title={title} size="lg" deliberate onClose={onClose}>
      <Stack gap="sm">
        <Text>
          <strong>Copy the token now.</strong> It is not shown again: the server keeps no copy of it.
        </Text>
        <Code label="the token" text={token} wrapped />
        <Tabs defaultValue="curl">
          <Tabs.List>
            <Tabs.Tab value="curl">curl</Tabs.Tab>
            <Tabs.Tab value="python">Python</Tabs.Tab>
            <Tabs.Tab value="node">JavaScript</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="curl" pt="xs">
            <Code label="the command for curl" text={curl(token)} wrapped />
          </Tabs.Panel>
          <Tabs.Panel value="python" pt="xs">
            <Stack gap="xs">
              <Code label="the program in Python" text={python(name)} />
              <Code label="the command that runs it" text={run(token)} wrapped />
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="node" pt="xs">
            <Code label="the program in JavaScript" text={javascript(token)} />
          </Tabs.Panel>
        </Tabs>
        {!reads(created.scopes) && (
          <Text className="quiet" size="sm">
            The program in Python reads events, for which this token lacks the scope events:read.
          </Text>
        )}
        <Group justify="end">
          <Button onClick={onClose}>I have stored the token</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function reads(scopes: readonly string[]): boolean {
  return scopes.includes("admin") || scopes.includes("events:read");
}

function curl(token: string): string {
  return `curl ${apiUrl} -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '{"query": "{ viewer { name scopes } }"}'`;
}

function python(name: string): string {
  return `# app.py, with the package in client/
from switchboard_client import App
from switchboard_client.events import RoomStarted

app = App("${consumerName(name)}")

@app.on(RoomStarted)
async def started(event, api):
    print("started:", event.room.subject)

app.run()`;
}

function run(token: string): string {
  return `SWITCHBOARD_URL=${apiUrl} SWITCHBOARD_TOKEN=${token} python app.py`;
}

function javascript(token: string): string {
  return `const response = await fetch("${apiUrl}", {
  method: "POST",
  headers: {
    authorization: "Bearer ${token}",
    "content-type": "application/json",
  },
  body: JSON.stringify({ query: "{ viewer { name scopes } }" }),
});
console.log(await response.json());`;
}

/** A name for a consumer that is easy to type, made from the name of the app. */
function consumerName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64) || "my-app";
}
