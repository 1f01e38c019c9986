import { Button, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";

export function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const other = useComputedColorScheme("light") === "dark" ? "light" : "dark";
  return (
    <Button variant="default" size="compact-sm" onClick={() => setColorScheme(other)} aria-label={`Use the ${other} theme`}>
      {other === "dark" ? "☾" : "☀"}
    </Button>
  );
}
