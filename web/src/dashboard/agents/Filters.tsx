import { Button, Group, NativeSelect, Switch, TextInput } from "@mantine/core";
import { PRESENCES } from "../ui/Presence";
import { useLinkState } from "../ui/useLinkState";
import { FILTER_NAMES, readAgentFilter } from "./filter";
import { useDepartmentChoices } from "./useDepartmentChoices";

/** What the list of agents shows, kept in the link. */
export function Filters() {
  const link = useLinkState();
  const departments = useDepartmentChoices();
  const choose = (name: string, label: string, any: string, data: { value: string; label: string }[]) => (
    <NativeSelect
      label={label}
      value={link.get(name)}
      onChange={(event) => link.set({ [name]: event.currentTarget.value })}
      data={[{ value: "", label: any }, ...data]}
    />
  );
  return (
    <Group align="end" gap="sm" mb="md" className="filters" role="search" aria-label="Agents">
      <TextInput
        label="Name or email"
        value={link.get("text")}
        onChange={(event) => link.set({ text: event.currentTarget.value })}
      />
      {choose(
        "presence",
        "Presence",
        "any",
        PRESENCES.map((presence) => ({ value: presence.toLowerCase(), label: presence.toLowerCase() })),
      )}
      {choose("status", "Status", "any", [
        { value: "available", label: "available" },
        { value: "not_available", label: "not available" },
      ])}
      {choose(
        "department",
        "Department",
        "any",
        departments.map(({ id, name }) => ({ value: id, label: name })),
      )}
      {choose("rooms", "New rooms", "any", [
        { value: "takes", label: "can take one now" },
        { value: "none", label: "can take none now" },
      ])}
      <Switch
        label="Inactive, too"
        checked={link.get("active") === "all"}
        onChange={(event) => link.set({ active: event.currentTarget.checked ? "all" : "" })}
        pb={8}
      />
      {readAgentFilter(link).isNarrow && (
        <Button
          variant="default"
          size="compact-sm"
          mb={6}
          onClick={() => link.set(Object.fromEntries(FILTER_NAMES.map((name) => [name, ""])))}
        >
          Clear
        </Button>
      )}
    </Group>
  );
}
