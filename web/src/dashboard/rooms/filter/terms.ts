/** One condition of a filter as text, such as `department:Billing`, `-tag:vip` or `priority:>2`. */
export interface Term {
  /** The name before the colon. Empty: words that the subject contains. */
  name: string;
  /** The text after the colon, without quotes. */
  value: string;
  /** Whether rooms that match are left out. */
  not: boolean;
}

const TERM = /(-?)(?:([\p{L}_][\p{L}\p{N}_.-]*):)?(?:"([^"]*)"?|([^\s"]+))/gu;

/** The terms of a text. Quotes hold a value with spaces together. */
export function readTerms(text: string): Term[] {
  const found = [...text.matchAll(TERM)].filter(([all]) => all !== "");
  return found.map(([, minus, name, quoted, plain]) => ({
    name: name ?? "",
    value: quoted ?? plain ?? "",
    not: minus === "-",
  }));
}

export function printTerm({ name, value, not }: Term): string {
  const text = /[\s"]/.test(value) || value === "" ? `"${value.replaceAll('"', "")}"` : value;
  return `${not ? "-" : ""}${name && `${name}:`}${text}`;
}

export function printTerms(terms: Term[]): string {
  return terms.map(printTerm).join(" ");
}
