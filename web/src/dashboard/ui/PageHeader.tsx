import { Group, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** The title of a page, a line that says what the page is for, and its main action. */
export function PageHeader({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <Group justify="space-between" align="start" mb="md" gap="sm">
      <div>
        <Title order={1} size="h2" tabIndex={-1}>
          {title}
        </Title>
        <Text className="quiet">{children}</Text>
      </div>
      {action}
    </Group>
  );
}
