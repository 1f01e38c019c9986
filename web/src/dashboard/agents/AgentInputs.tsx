import { MultiSelect, NumberInput, Switch } from "@mantine/core";
import type { AgentStatus } from "../../gql/graphql";
import type { Action } from "../ui/useAction";
import { useDepartmentChoices } from "./useDepartmentChoices";

/** What an agent serves. */
export interface AgentValues {
  status: AgentStatus;
  acceptsRouting: boolean;
  /** Null: no limit. */
  maxRooms: number | null;
  departmentIds: string[];
}

export const AGENT_INPUTS = ["status", "acceptsRouting", "maxRooms", "departmentIds"];
export const NEW_AGENT: AgentValues = { status: "AVAILABLE", acceptsRouting: true, maxRooms: 5, departmentIds: [] };

interface AgentInputsProps {
  values: AgentValues;
  change: (values: Partial<AgentValues>) => void;
  action: Action;
}

export function AgentInputs({ values, change, action }: AgentInputsProps) {
  const departments = useDepartmentChoices();
  return (
    <>
      <NumberInput
        label="Limit of open rooms"
        description="Rooms on hold do not count. Empty: no limit."
        min={0}
        allowDecimal={false}
        allowNegative={false}
        value={values.maxRooms ?? ""}
        onChange={(value) => change({ maxRooms: value === "" ? null : Number(value) })}
        error={action.at("maxRooms")}
      />
      <MultiSelect
        label="Departments"
        placeholder={values.departmentIds.length === 0 ? "none: rooms without a department" : undefined}
        searchable
        data={departments.map(({ id, name, enabled }) => ({ value: id, label: enabled ? name : `${name} (disabled)` }))}
        value={values.departmentIds}
        onChange={(departmentIds) => change({ departmentIds })}
        error={action.at("departmentIds")}
        clearButtonProps={{ "aria-label": "Remove all departments" }}
        comboboxProps={{ withinPortal: false }}
      />
      <Switch
        label="Available for new rooms"
        checked={values.status === "AVAILABLE"}
        onChange={(event) => change({ status: event.currentTarget.checked ? "AVAILABLE" : "NOT_AVAILABLE" })}
        error={action.at("status")}
      />
      <Switch
        label="Routing offers rooms"
        description="Off: only rooms that somebody assigns, transfers or takes."
        checked={values.acceptsRouting}
        onChange={(event) => change({ acceptsRouting: event.currentTarget.checked })}
        error={action.at("acceptsRouting")}
      />
    </>
  );
}
