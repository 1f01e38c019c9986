import { Box, Button, Paper, PasswordInput, SegmentedControl, Stack, TextInput, Title } from "@mantine/core";
import { print } from "graphql";
import { useState, type FormEvent } from "react";
import { LoginDocument, ViewerDocument, type LoginMutation, type ViewerQuery } from "../../gql/graphql";
import { apiUrl } from "../../shared/page";
import { Problem } from "../shell/Problem";

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string }[];
}

type Way = "password" | "token";

/** The page that asks for a password or for a token. `ended` says that an earlier session was ended by the server. */
export function SignIn({ begin, ended }: { begin: (token: string) => void; ended: boolean }) {
  const [way, setWay] = useState<Way>("password");
  const [problem, setProblem] = useState<string | null>(ended ? "The session has ended. Sign in again." : null);
  const [waiting, setWaiting] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const value = (name: string) => String(form.get(name) ?? "").trim();
    setWaiting(true);
    try {
      begin(way === "token" ? await checked(value("token")) : await login(value("username"), String(form.get("password"))));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setWaiting(false);
    }
  }

  return (
    <Box component="main" px="md">
      <Paper withBorder maw={420} mx="auto" my="xl" p="lg">
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <Title order={1} size="h3">
              Switchboard
            </Title>
            <SegmentedControl
              aria-label="Sign in with"
              value={way}
              onChange={(chosen) => setWay(chosen as Way)}
              data={[
                { value: "password", label: "Password" },
                { value: "token", label: "Token" },
              ]}
            />
            {way === "password" ? (
              <>
                <TextInput name="username" label="Username" autoComplete="username" required />
                <PasswordInput name="password" label="Password" autoComplete="current-password" required />
              </>
            ) : (
              <PasswordInput
                name="token"
                label="Token"
                description="The admin token, or the token of an app. It is kept until this browser tab is closed."
                autoComplete="off"
                required
              />
            )}
            {problem && <Problem>{problem}</Problem>}
            <Button type="submit" loading={waiting}>
              Sign in
            </Button>
          </Stack>
        </form>
      </Paper>
    </Box>
  );
}

async function login(username: string, password: string): Promise<string> {
  const { data, errors } = await post<LoginMutation>(print(LoginDocument), { username, password });
  if (data?.login) return data.login.token;
  throw new Error(errors?.[0]?.message ?? "The login failed.");
}

async function checked(token: string): Promise<string> {
  const { data, errors } = await post<ViewerQuery>(print(ViewerDocument), {}, token);
  if (data?.viewer) return token;
  throw new Error(errors?.[0]?.message ?? "The token does not work.");
}

async function post<Data>(query: string, variables: object, token?: string): Promise<Answer<Data>> {
  const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(apiUrl, {
    method: "POST",
    headers: { "content-type": "application/json", ...authorization },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as Answer<Data>;
}
