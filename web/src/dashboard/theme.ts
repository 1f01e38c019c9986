import { createTheme } from "@mantine/core";

/** Darker blue than by default: text has a contrast of 4.5 or more in both color schemes. */
export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 8, dark: 7 },
  autoContrast: true,
  respectReducedMotion: true,
  fontFamily: "system-ui, sans-serif",
  cursorType: "pointer",
  defaultRadius: "sm",
});
