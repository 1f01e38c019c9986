import { Button, Text, Title } from "@mantine/core";
import { useCallback, useState } from "react";
import { SetWebhookActiveDocument, WebhooksDocument, type WebhooksQuery } from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { refusalOf } from "../client/refusal";
import { Problem } from "../shell/Problem";
import { Listing, type Column } from "../ui/Listing";
import { Since } from "../ui/Since";
import { useAction } from "../ui/useAction";
import { useRepeated } from "../ui/useRepeated";
import { READ_EVERY_SECONDS } from "./useConsumers";

type Webhook = NonNullable<WebhooksQuery["webhooks"]>[number];

const STATES = { ACTIVE: "active", FAILING: "failing", PAUSED: "paused" };

/** The webhooks that the token may see. They are created by the API, whose answer has the secret. */
export function Webhooks() {
  const { client } = useApi();
  const { webhooks, problem, refresh } = useWebhooks();
  const action = useAction();
  const setActive = async (webhook: string, active: boolean) => {
    await action.run(() => client.mutate({ mutation: SetWebhookActiveDocument, variables: { webhook, active } }));
    await refresh();
  };
  const columns: Column<Webhook>[] = [
    {
      title: "Webhook",
      cell: ({ name, owner }) => (
        <span className="name">
          {name} <span className="quiet">of {owner.name ?? "an app"}</span>
        </span>
      ),
    },
    { title: "Address", cell: ({ url }) => <span className="address">{url}</span> },
    { title: "State", cell: (webhook) => <State webhook={webhook} /> },
    { title: "Last attempt", cell: ({ deliveries }) => <LastAttempt attempt={deliveries.nodes[0]} /> },
    {
      title: "Actions",
      cell: ({ id, name, state }) => {
        const paused = state === "PAUSED";
        const verb = paused ? "Continue" : "Pause";
        return (
          <Button
            variant="default"
            size="compact-sm"
            aria-label={`${verb} ${name}`}
            disabled={action.working}
            onClick={() => void setActive(id, paused)}
          >
            {verb}
          </Button>
        );
      },
    },
  ];
  return (
    <section aria-labelledby="webhooks">
      <Title order={2} size="h3" mt="xl" id="webhooks">
        Webhooks
      </Title>
      <Text className="quiet" mb="sm">
        Events that are sent to an address, one after the other, each until it is received. What waits is the lag of the
        consumer of the webhook.
      </Text>
      {action.others.map((other) => (
        <Problem key={other}>{other}</Problem>
      ))}
      <Listing
        label="Webhooks"
        list={{ rows: webhooks, totalCount: null, loading: false, problem, more: null, refresh }}
        columns={columns}
        keyOf={({ id }) => id}
        isQuiet={({ state }) => state === "PAUSED"}
        empty={
          <>
            <Text>No events are sent to an address.</Text>
            <Text>
              The mutation <code>createWebhook</code> stores a subscription and returns the secret for its receiver.
            </Text>
          </>
        }
      />
    </section>
  );
}

function State({ webhook: { state, pauseMessage, nextAttemptAt } }: { webhook: Webhook }) {
  return (
    <>
      {STATES[state]}
      {pauseMessage && <span className="quiet reason"> {pauseMessage}</span>}
      {nextAttemptAt && <span className="quiet"> next attempt at {new Date(nextAttemptAt).toLocaleTimeString()}</span>}
    </>
  );
}

function LastAttempt({ attempt }: { attempt: Webhook["deliveries"]["nodes"][number] | undefined }) {
  if (!attempt) return <span className="quiet">none</span>;
  return (
    <>
      <span className="reason">{attempt.delivered ? `received (${attempt.status})` : attempt.error}</span> <Since time={attempt.at} />
    </>
  );
}

/** The webhooks, read again every few seconds while the page is visible. */
function useWebhooks() {
  const { client } = useApi();
  const [webhooks, setWebhooks] = useState<Webhook[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const refresh = useCallback(async () => {
    try {
      const { data } = await client.query({ query: WebhooksDocument, fetchPolicy: "no-cache" });
      setWebhooks(data?.webhooks ?? []);
      setProblem(null);
    } catch (error) {
      setProblem(refusalOf(error).message);
    }
  }, [client]);

  useRepeated(refresh, READ_EVERY_SECONDS);

  return { webhooks, problem, refresh };
}
