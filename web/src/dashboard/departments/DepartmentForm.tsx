import { useApolloClient } from "@apollo/client/react";
import { NativeSelect, NumberInput, Switch, Text, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import {
  AgentsOfDepartmentDocument,
  CreateDepartmentDocument,
  SetDepartmentAgentsDocument,
  UpdateDepartmentDocument,
  type RoutingMethod,
} from "../../gql/graphql";
import { useApi } from "../client/hooks";
import { FormDialog } from "../ui/FormDialog";
import { useAction } from "../ui/useAction";
import { AgentPicker, type PickedAgent } from "./AgentPicker";
import type { DepartmentRow } from "./DepartmentsPage";
import { METHODS, ROUTING } from "./routing";

const INPUTS = ["name", "routing", "externalTimeoutSeconds", "fallbackRouting", "whenAgentGone", "agentGoneAfterSeconds", "add", "remove"];
const NEW = {
  name: "",
  enabled: true,
  routing: "LEAST_LOADED" as RoutingMethod,
  externalTimeoutSeconds: null as number | null,
  fallbackRouting: null as RoutingMethod | null,
  whenAgentGone: "KEEP" as "KEEP" | "REQUEUE",
  agentGoneAfterSeconds: 300,
};
type Values = typeof NEW;

/** A new department, or one that is changed. */
export function DepartmentForm({ department, onClose }: { department: DepartmentRow | null; onClose: () => void }) {
  const { client } = useApi();
  const action = useAction(INPUTS);
  const [first] = useState(() => (department ? valuesOf(department) : NEW));
  const [values, setValues] = useState(first);
  /** The id of the new department, if only the second step was refused. */
  const [created, setCreated] = useState<string | null>(null);
  const members = useMembers(department?.id ?? null);
  const [picked, setPicked] = useState<PickedAgent[] | null>(null);
  const agents = picked ?? members ?? [];
  const change = (changed: Partial<Values>) => setValues((before) => ({ ...before, ...changed }));
  const external = values.routing === "EXTERNAL";

  async function saveDepartment(): Promise<string> {
    const { enabled, ...rest } = values;
    const input = external ? rest : { ...rest, externalTimeoutSeconds: null, fallbackRouting: null };
    if (department === null && created === null) {
      const { data } = await client.mutate({ mutation: CreateDepartmentDocument, variables: { input } });
      const { id } = data!.createDepartment!.department;
      setCreated(id);
      return id;
    }
    const id = department?.id ?? created!;
    // Only what was changed here: somebody else may have changed the rest meanwhile.
    const entries = Object.entries({ ...input, enabled }).filter(([name, value]) => value !== first[name as keyof Values]);
    if (entries.length > 0)
      await client.mutate({
        mutation: UpdateDepartmentDocument,
        variables: { input: { departmentId: id, ...Object.fromEntries(entries) } },
      });
    return id;
  }

  async function save() {
    const done = await action.run(async () => {
      const id = await saveDepartment();
      if (picked === null) return;
      const before = new Set((members ?? []).map((agent) => agent.id));
      const after = new Set(picked.map((agent) => agent.id));
      const add = [...after].filter((agent) => !before.has(agent));
      const remove = [...before].filter((agent) => !after.has(agent));
      if (add.length + remove.length > 0)
        await client.mutate({ mutation: SetDepartmentAgentsDocument, variables: { department: id, add, remove } });
    });
    if (done) onClose();
  }

  return (
    <FormDialog
      title={department ? `Edit ${department.name}` : "Add a department"}
      submit={department ? "Save" : "Add"}
      action={action}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      <TextInput
        label="Name"
        required
        data-autofocus
        maxLength={128}
        autoComplete="off"
        value={values.name}
        onChange={(event) => change({ name: event.currentTarget.value })}
        error={action.at("name")}
      />
      {department && (
        <Switch
          label="Takes new rooms"
          description="Off: the rooms that it has go on."
          checked={values.enabled}
          onChange={(event) => change({ enabled: event.currentTarget.checked })}
        />
      )}
      {(department === null || members !== null) && (
        <AgentPicker value={agents} onChange={setPicked} error={action.at("add") ?? action.at("remove")} />
      )}
      <NativeSelect
        label="Who gets a room"
        description={ROUTING[values.routing].means}
        value={values.routing}
        onChange={(event) => change({ routing: event.currentTarget.value as RoutingMethod })}
        data={METHODS.map((method) => ({ value: method, label: ROUTING[method].label }))}
        error={action.at("routing")}
      />
      {external && (
        <>
          <NumberInput
            label="Seconds that a room waits for the app"
            description="Empty: without an end."
            min={1}
            max={86_400}
            allowDecimal={false}
            value={values.externalTimeoutSeconds ?? ""}
            onChange={(value) => change({ externalTimeoutSeconds: value === "" ? null : Number(value) })}
            error={action.at("externalTimeoutSeconds")}
          />
          <NativeSelect
            label="Without an answer"
            value={values.fallbackRouting ?? ""}
            onChange={(event) => change({ fallbackRouting: (event.currentTarget.value || null) as RoutingMethod | null })}
            data={[
              { value: "", label: "the room waits on" },
              ...METHODS.filter((method) => method !== "EXTERNAL").map((method) => ({ value: method, label: ROUTING[method].label })),
            ]}
            error={action.at("fallbackRouting")}
          />
        </>
      )}
      <NativeSelect
        label="If an agent goes offline with open rooms"
        value={values.whenAgentGone}
        onChange={(event) => change({ whenAgentGone: event.currentTarget.value as Values["whenAgentGone"] })}
        data={[
          { value: "KEEP", label: "the agent keeps them" },
          { value: "REQUEUE", label: "they go back to the queue" },
        ]}
        error={action.at("whenAgentGone")}
      />
      {values.whenAgentGone === "REQUEUE" && (
        <NumberInput
          label="After so many seconds offline"
          min={0}
          max={31_536_000}
          allowDecimal={false}
          value={values.agentGoneAfterSeconds}
          onChange={(value) => change({ agentGoneAfterSeconds: Number(value) })}
          error={action.at("agentGoneAfterSeconds")}
        />
      )}
      {created !== null && <Text className="quiet">The department is created, but its agents are not set yet.</Text>}
    </FormDialog>
  );
}

function valuesOf(department: DepartmentRow): Values {
  const { name, enabled, routing, externalTimeoutSeconds, fallbackRouting, whenAgentGone, agentGoneAfterSeconds } = department;
  return {
    name,
    enabled,
    routing,
    externalTimeoutSeconds: externalTimeoutSeconds ?? null,
    fallbackRouting: fallbackRouting ?? null,
    whenAgentGone,
    agentGoneAfterSeconds,
  };
}

/** All agents of a department. Null until they are known. */
function useMembers(department: string | null): PickedAgent[] | null {
  const client = useApolloClient();
  const [members, setMembers] = useState<PickedAgent[] | null>(null);
  useEffect(() => {
    if (department === null) return;
    let stopped = false;
    async function read() {
      const found: PickedAgent[] = [];
      let after: string | null | undefined;
      do {
        const { data } = await client.query({
          query: AgentsOfDepartmentDocument,
          variables: { where: { departmentId: department }, after },
          fetchPolicy: "network-only",
        });
        found.push(...(data?.agents?.nodes ?? []));
        after = data?.agents?.pageInfo.hasNextPage ? data.agents.pageInfo.endCursor : null;
      } while (after && !stopped);
      if (!stopped) setMembers(found);
    }
    // Without them the form has no input for agents.
    read().catch(() => undefined);
    return () => {
      stopped = true;
    };
  }, [client, department]);
  return members;
}
