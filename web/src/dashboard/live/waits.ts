/** How bad a wait is: a word, and the class of its colour. */
export interface Wait {
  word: string;
  level: "short" | "long" | "very-long";
}

const LONG_SECONDS = 2 * 60;
const VERY_LONG_SECONDS = 10 * 60;

export function waitSince(oldest: string | null | undefined, now: number): Wait {
  const seconds = oldest ? (now - Date.parse(oldest)) / 1_000 : 0;
  if (seconds >= VERY_LONG_SECONDS) return { word: "very long wait", level: "very-long" };
  if (seconds >= LONG_SECONDS) return { word: "long wait", level: "long" };
  return { word: "short wait", level: "short" };
}
