import type { Known } from "./conditions";
import type { Term } from "./terms";

/** A term in words, such as "department is Billing". */
export function describeTerm({ name, value, not }: Term, known: Known): string {
  if (name === "" || name === "subject") return `subject ${not ? "does not contain" : "contains"} “${value}”`;
  const field = known.fields.find(({ key }) => key === name.replace(/^field\./, ""));
  const label = field?.label ?? name;
  if (value === "*") return `${label} ${not ? "has no value" : "has a value"}`;
  return `${label} ${not ? "is not" : "is"} ${shown(name, value, known)}`;
}

function shown(name: string, value: string, { departments, agents }: Known): string {
  const texts = value.split(",").map((one) => {
    if (name === "department") return departments.find(({ id }) => id === one)?.name ?? one;
    if (name === "agent") return agents.find(({ id }) => id === one)?.user.username ?? one;
    return one.replace(/^>=/, "at least ").replace(/^<=/, "at most ").replace(/^>/, "over ").replace(/^</, "under ").replace(/^~/, "like ");
  });
  return texts.join(" or ");
}
