import { useQuery } from "@apollo/client/react";
import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { UserChoicesDocument, type UserChoicesQuery } from "../../gql/graphql";

export type ChosenUser = NonNullable<UserChoicesQuery["users"]>["nodes"][number];

const TYPING_MILLISECONDS = 200;

interface UserPickerProps {
  value: ChosenUser | null;
  onChange: (user: ChosenUser | null) => void;
  error: string | undefined;
  disabled: boolean;
}

/** A user who is no agent, found by the beginning of a username or by words of the name. */
export function UserPicker({ value, onChange, error, disabled }: UserPickerProps) {
  const [text, setText] = useState("");
  const [searched] = useDebouncedValue(text, TYPING_MILLISECONDS);
  const { data } = useQuery(UserChoicesDocument, {
    variables: {
      where: {
        isAgent: false,
        active: true,
        or: [{ username: { contains: searched, ignoreCase: true } }, { name: { contains: searched, ignoreCase: true } }],
      },
    },
    fetchPolicy: "cache-and-network",
  });
  const users = data?.users?.nodes ?? [];
  const offered = value && !users.some(({ id }) => id === value.id) ? [value, ...users] : users;
  return (
    <Select
      label="User"
      description="Active users who are no agents. Type a part of the username or of the name."
      searchable
      required
      disabled={disabled}
      nothingFoundMessage="No user is like that."
      data={offered.map(({ id, username, name }) => ({ value: id, label: name ? `${name} (${username})` : username }))}
      filter={({ options }) => options}
      value={value?.id ?? null}
      onChange={(id) => onChange(offered.find((user) => user.id === id) ?? null)}
      searchValue={text}
      onSearchChange={setText}
      error={error}
      comboboxProps={{ withinPortal: false }}
    />
  );
}
