import type { AgentStatus, Presence, UserFilter } from "../../gql/graphql";
import type { LinkState } from "../ui/useLinkState";

/** The agents that the link asks for. */
export interface AgentFilter {
  where: UserFilter;
  /** Null: whether routing offers them rooms does not matter. */
  routable: boolean | null;
  /** Whether anything is left out. */
  isNarrow: boolean;
}

export const FILTER_NAMES = ["text", "presence", "status", "department", "rooms", "active"];

export function readAgentFilter({ get }: LinkState): AgentFilter {
  const conditions: UserFilter[] = [];
  const text = get("text").trim();
  if (text !== "")
    conditions.push({
      or: [
        { username: { contains: text, ignoreCase: true } },
        { name: { contains: text, ignoreCase: true } },
        { email: { contains: text, ignoreCase: true } },
      ],
    });
  const presence = get("presence").toUpperCase();
  if (isPresence(presence)) conditions.push({ presence: [presence] });
  const status = get("status").toUpperCase();
  if (isStatus(status)) conditions.push({ agentStatus: status });
  if (get("department") !== "") conditions.push({ departmentId: get("department") });
  if (get("active") !== "all") conditions.push({ active: true });
  return {
    where: { and: conditions },
    routable: get("rooms") === "takes" ? true : get("rooms") === "none" ? false : null,
    isNarrow: FILTER_NAMES.some((name) => name !== "active" && get(name) !== ""),
  };
}

function isPresence(text: string): text is Presence {
  return ["ONLINE", "AWAY", "BUSY", "OFFLINE"].includes(text);
}

function isStatus(text: string): text is AgentStatus {
  return text === "AVAILABLE" || text === "NOT_AVAILABLE";
}
