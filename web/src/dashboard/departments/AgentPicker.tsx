import { useApolloClient } from "@apollo/client/react";
import { MultiSelect } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { AgentsOfDepartmentDocument, type AgentsOfDepartmentQuery } from "../../gql/graphql";

export type PickedAgent = NonNullable<AgentsOfDepartmentQuery["agents"]>["nodes"][number];

const TYPING_MILLISECONDS = 200;

interface AgentPickerProps {
  value: PickedAgent[];
  onChange: (agents: PickedAgent[]) => void;
  error: string | undefined;
}

/** Agents, found by a part of their names. */
export function AgentPicker({ value, onChange, error }: AgentPickerProps) {
  const client = useApolloClient();
  const [text, setText] = useState("");
  const [searched] = useDebouncedValue(text, TYPING_MILLISECONDS);
  const [found, setFound] = useState<PickedAgent[]>([]);
  useEffect(() => {
    let stopped = false;
    const contains = { contains: searched, ignoreCase: true };
    client
      .query({
        query: AgentsOfDepartmentDocument,
        variables: { where: { active: true, or: [{ username: contains }, { name: contains }] } },
        fetchPolicy: "network-only",
      })
      .then(({ data }) => !stopped && setFound(data?.agents?.nodes ?? []))
      .catch(() => undefined);
    return () => {
      stopped = true;
    };
  }, [client, searched]);

  const known = new Map([...value, ...found].map((agent) => [agent.id, agent]));
  return (
    <MultiSelect
      label="Agents"
      description="Type a part of a name to find one. Who is removed keeps the rooms that are served now."
      searchable
      data={[...known.values()].map(({ id, user }) => ({ value: id, label: user.name ?? user.username }))}
      value={value.map(({ id }) => id)}
      onChange={(ids) => onChange(ids.map((id) => known.get(id)!))}
      searchValue={text}
      onSearchChange={setText}
      error={error}
      nothingFoundMessage="No agent is like that."
      comboboxProps={{ withinPortal: false }}
      clearButtonProps={{ "aria-label": "Remove all agents" }}
      maxDropdownHeight={200}
    />
  );
}
