import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useRef } from "react";
import { chooseColorScheme, chosenColorScheme, onColorScheme, type ColorScheme } from "../shared/colorScheme";

const KEY = "graphiql:theme";

/** The theme as GraphiQL stores it. */
function themeOf(scheme: ColorScheme) {
  return scheme === "auto" ? null : scheme;
}

/** Begin with the theme of the dashboard. Call it before GraphiQL is rendered. */
export function applyChosenTheme(): void {
  localStorage.setItem(KEY, themeOf(chosenColorScheme()) ?? "");
}

/** The theme of GraphiQL and the one of the dashboard are the same, whichever page changes it. */
export function ThemeSync() {
  const { theme } = useGraphiQL(pick("theme"));
  const { setTheme } = useGraphiQLActions();
  const rendered = useRef(false);
  useEffect(() => {
    if (rendered.current) chooseColorScheme(theme ?? "auto");
    rendered.current = true;
  }, [theme]);
  useEffect(() => onColorScheme((scheme) => setTheme(themeOf(scheme))), [setTheme]);
  // The colors of the editor do not follow the system by themselves.
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => chosenColorScheme() === "auto" && setTheme(null);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, [setTheme]);
  return null;
}
