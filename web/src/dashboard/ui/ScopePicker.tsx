import { Checkbox, SimpleGrid, Text } from "@mantine/core";
import { useSession } from "../session/session";
import { SCOPES, sortedScopes } from "./scopes";

interface ScopePickerProps {
  value: string[];
  onChange: (scopes: string[]) => void;
  error: string | undefined;
  description: string;
}

/** The scopes that the caller holds, and may therefore give, to choose from. */
export function ScopePicker({ value, onChange, error, description }: ScopePickerProps) {
  const { viewer } = useSession();
  const everything = value.includes("admin");
  const offered = sortedScopes([...new Set([...viewer.scopes, ...value])]);
  return (
    <Checkbox.Group label="Scopes" description={description} error={error} value={value} onChange={onChange}>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs" verticalSpacing={6} mt="xs" mb={4}>
        {offered.map((scope) => (
          <Checkbox
            key={scope}
            size="xs"
            style={scope === "admin" ? { gridColumn: "1 / -1" } : undefined}
            value={scope}
            disabled={(everything && scope !== "admin") || (!viewer.scopes.includes(scope) && !value.includes(scope))}
            label={
              <>
                <Text component="span" fw={600} size="sm">
                  {scope}
                </Text>
                <Text component="span" className="quiet" size="xs" display="block">
                  {SCOPES[scope]}
                </Text>
              </>
            }
          />
        ))}
      </SimpleGrid>
    </Checkbox.Group>
  );
}
