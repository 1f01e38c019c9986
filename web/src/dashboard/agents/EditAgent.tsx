import { useQuery } from "@apollo/client/react";
import { Button, Text } from "@mantine/core";
import { useState } from "react";
import {
  OneAgentDocument,
  SetActiveDocument,
  SetAgentStatusDocument,
  UpdateAgentDocument,
  type AgentRowFragment,
} from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { useMay } from "../session/session";
import { Dialog } from "../ui/Dialog";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { useLinkState } from "../ui/useLinkState";
import { AGENT_INPUTS, AgentInputs, type AgentValues } from "./AgentInputs";

interface EditAgentProps {
  id: string;
  onClose: () => void;
}

/** Changes what an agent serves. The agent is read again first, because the link may be older than the list. */
export function EditAgent({ id, onClose }: EditAgentProps) {
  const { data, error, loading } = useQuery(OneAgentDocument, { variables: { id }, fetchPolicy: "network-only", errorPolicy: "all" });
  const agent = data?.agent;
  if (agent) return <Form agent={agent} onClose={onClose} />;
  return (
    <Dialog title="Edit an agent" onClose={onClose}>
      <Text className="quiet">{loading ? "Reading …" : (error?.message ?? "There is no such agent any more.")}</Text>
    </Dialog>
  );
}

function Form({ agent, onClose }: { agent: AgentRowFragment; onClose: () => void }) {
  const { client } = useApi();
  const { push } = useLinkState();
  const mayWriteUsers = useMay("users:write");
  const action = useAction(AGENT_INPUTS);
  const [first] = useState(() => valuesOf(agent));
  const [values, setValues] = useState(first);
  const { user } = agent;

  async function save() {
    const { status, acceptsRouting, maxRooms, departmentIds } = values;
    const departmentsChanged = departmentIds.join() !== first.departmentIds.join();
    const done = await action.run(async () => {
      // Only what was changed here: somebody else may have changed the rest meanwhile.
      const input = {
        ...(acceptsRouting === first.acceptsRouting ? {} : { acceptsRouting }),
        ...(maxRooms === first.maxRooms ? {} : { maxRooms }),
        ...(departmentsChanged ? { departmentIds } : {}),
      };
      if (Object.keys(input).length > 0)
        await client.mutate({ mutation: UpdateAgentDocument, variables: { input: { agentId: agent.id, ...input } } });
      if (status !== first.status)
        await client.mutate({ mutation: SetAgentStatusDocument, variables: { agent: agent.id, status } });
    });
    if (done) onClose();
  }

  function setActive(active: boolean) {
    void action.run(() => client.mutate({ mutation: SetActiveDocument, variables: { user: user.id, active } }));
  }

  return (
    <FormDialog
      title={`Edit ${user.name ?? user.username}`}
      submit="Save"
      action={action}
      onSubmit={() => void save()}
      onClose={onClose}
      aside={
        <>
          {mayWriteUsers && !user.active && (
            <Button variant="default" onClick={() => setActive(true)}>
              Activate
            </Button>
          )}
          <Button variant="default" onClick={() => push({ open: "remove" })}>
            Remove …
          </Button>
        </>
      }
    >
      {!user.active && <Text className="quiet">{user.username} is inactive: no rooms, and no sign-in.</Text>}
      <AgentInputs values={values} change={(changed) => setValues((before) => ({ ...before, ...changed }))} action={action} />
    </FormDialog>
  );
}

function valuesOf({ status, acceptsRouting, maxRooms, departments }: AgentRowFragment): AgentValues {
  return { status, acceptsRouting, maxRooms: maxRooms ?? null, departmentIds: departments.map(({ id }) => id) };
}
