import type { AgentNamesQuery, CustomFieldFilter, DepartmentNamesQuery, IntFilter, RoomFieldDefinitionsQuery, RoomFilter } from "../../../gql/graphql";
import type { Term } from "./terms";

export type RoomField = NonNullable<RoomFieldDefinitionsQuery["customFieldDefinitions"]>[number];
export type NamedDepartment = NonNullable<DepartmentNamesQuery["departments"]>[number];
export type NamedAgent = NonNullable<AgentNamesQuery["agents"]>["nodes"][number];

/** What names in a filter can stand for. */
export interface Known {
  departments: NamedDepartment[];
  agents: NamedAgent[];
  fields: RoomField[];
}

/** A term that is no condition. The message says what would be one. */
export class Misread extends Error {}

/** The names of terms, with what follows them. */
export const TERM_NAMES: [name: string, means: string][] = [
  ["department", "a name, or none"],
  ["agent", "a username"],
  ["tag", "vip, or one of several: vip,urgent"],
  ["source", "email"],
  ["priority", "2, or >1"],
  ["waiting", ">10m: longer than ten minutes"],
  ["started", ">2026-01-31: after that day"],
  ["closed", "<2026-01-31: before that day"],
  ["visitor", "the id of a visitor"],
  ["subject", "words in the subject"],
];

type Read = (value: string, known: Known, now: number) => RoomFilter;

const READERS: Record<string, Read> = {
  department: (value, { departments }) =>
    value === "none"
      ? { hasDepartment: false }
      : anyOf(value, (one) => ({ departmentId: idOf("department", "dep_", one, departments.map(({ id, name }) => [id, name])) })),
  agent: (value, { agents }) => {
    const names = agents.map(({ id, user }): [string, string] => [id, user.username]);
    return anyOf(value, (one) => ({ servedById: idOf("agent", "agt_", one, names) }));
  },
  tag: (value) => (value.includes(",") ? { hasAnyTags: list(value) } : { hasTags: [value] }),
  source: (value) => ({ source: { in: list(value), ignoreCase: true } }),
  priority: (value) => ({ priority: compared(value, number) as IntFilter }),
  subject: (value) => ({ subject: { contains: value, ignoreCase: true } }),
  visitor: (value) => ({ visitorId: value }),
  waiting: (value, _, now) => {
    const [, operator, amount, unit] = /^([<>])(\d+)([smhd])$/.exec(value) ?? [];
    if (!amount || !unit) throw new Misread("waiting needs a time such as >10m, <2h or >1d.");
    const time = new Date(now - Number(amount) * SECONDS[unit]! * 1_000).toISOString();
    return operator === ">" ? { queuedBefore: time } : { queuedAfter: time };
  },
  started: (value) => between(value, "started", "startedAfter", "startedBefore"),
  closed: (value) => between(value, "closed", "closedAfter", "closedBefore"),
};

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** The filter of one term. Throws Misread. */
export function conditionOf(term: Term, known: Known, now: number): RoomFilter {
  const found = read(term, known, now);
  return term.not ? { not: found } : found;
}

function read({ name, value }: Term, known: Known, now: number): RoomFilter {
  if (value === "") throw new Misread(`${name} needs a value.`);
  if (name === "") return { subject: { contains: value, ignoreCase: true } };
  const reader = READERS[name];
  if (reader) return reader(value, known, now);
  const key = name.replace(/^field\./, "");
  const field = known.fields.find((one) => one.key === key);
  if (field) return { customFields: [ofField(field, value)] };
  const names = [...TERM_NAMES.map(([one]) => one), ...known.fields.map((one) => one.key)];
  throw new Misread(`There is no filter ${name}. There are: ${names.join(", ")}.`);
}

/** `*`: has a value. `~text`: contains it. `>`, `>=`, `<`, `<=`: compared. Otherwise equal, or one of several. */
function ofField({ key, type }: RoomField, value: string): CustomFieldFilter {
  if (value === "*") return { key, exists: true };
  if (value.startsWith("~")) return { key, contains: value.slice(1) };
  if (type === "MULTI_SELECT") return { key, contains: value };
  const typed = (text: string) => {
    if (type === "NUMBER") return number(text);
    if (type === "BOOLEAN") return /^(true|yes)$/i.test(text);
    return type === "DATETIME" ? time(text, key) : text;
  };
  return { key, ...(compared(value, typed) as Omit<CustomFieldFilter, "key">) };
}

function compared<Value>(text: string, typed: (text: string) => Value): Record<string, Value | Value[]> {
  const [, operator, operand = text] = /^([<>]=?)(.*)$/.exec(text) ?? [];
  const name = { ">": "gt", ">=": "gte", "<": "lt", "<=": "lte" }[operator ?? ""];
  if (name) return { [name]: typed(operand) };
  return operand.includes(",") ? { in: list(operand).map(typed) } : { eq: typed(operand) };
}

function number(text: string): number {
  const found = Number(text);
  if (text.trim() === "" || Number.isNaN(found)) throw new Misread(`${text} is not a number.`);
  return found;
}

function time(text: string, name: string): string {
  const found = new Date(text);
  if (Number.isNaN(found.getTime())) throw new Misread(`${name} needs a day such as 2026-01-31.`);
  return found.toISOString();
}

function between(value: string, name: string, after: keyof RoomFilter, before: keyof RoomFilter): RoomFilter {
  if (!/^[<>]/.test(value)) throw new Misread(`${name} needs > or < before a day, such as >2026-01-31.`);
  return { [value.startsWith(">") ? after : before]: time(value.slice(1), name) };
}

function list(value: string): string[] {
  return value.split(",").filter((one) => one !== "");
}

function anyOf(value: string, filterOf: (one: string) => RoomFilter): RoomFilter {
  const filters = list(value).map(filterOf);
  return filters.length === 1 ? filters[0]! : { or: filters };
}

/** The id that a name stands for. An id stands for itself. */
function idOf(noun: string, prefix: string, text: string, named: [id: string, name: string][]): string {
  if (text.startsWith(prefix)) return text;
  const found = named.find(([, name]) => name.toLowerCase() === text.toLowerCase());
  if (!found) throw new Misread(`There is no ${noun} ${text}.`);
  return found[0];
}
