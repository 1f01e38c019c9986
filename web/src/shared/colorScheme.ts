/** The theme that somebody has chosen on a page of this server. "auto" is the one of the system. */
export type ColorScheme = "light" | "dark" | "auto";

/** Where the component library of the dashboard stores it. */
const KEY = "mantine-color-scheme-value";

export function chosenColorScheme(): ColorScheme {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "auto";
}

export function chooseColorScheme(scheme: ColorScheme): void {
  if (chosenColorScheme() !== scheme) localStorage.setItem(KEY, scheme);
}

/** Calls the function when another page of this server chooses a theme. Returns what ends that. */
export function onColorScheme(apply: (scheme: ColorScheme) => void): () => void {
  const listen = ({ key }: StorageEvent) => {
    if (key === KEY || key === null) apply(chosenColorScheme());
  };
  addEventListener("storage", listen);
  return () => removeEventListener("storage", listen);
}
