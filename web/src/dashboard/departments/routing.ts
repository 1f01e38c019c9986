import type { DepartmentRowFragment, RoutingMethod } from "../../gql/graphql";

/** Each way in which a waiting room gets its agent, in a few words and in a sentence. */
export const ROUTING: Record<RoutingMethod, { label: string; means: string }> = {
  LEAST_LOADED: { label: "least loaded", means: "The agent with the fewest rooms." },
  ROUND_ROBIN: { label: "in turn", means: "The agent whose last room is longest ago." },
  MANUAL: { label: "taken by hand", means: "Rooms wait until somebody takes or assigns them." },
  EXTERNAL: { label: "an app decides", means: "An app is asked for each room; without an answer the fallback applies." },
};

export const METHODS = Object.keys(ROUTING) as RoutingMethod[];

/** How the rooms of a department get their agents, with the fallback of an app. */
export function describeRouting({ routing, externalTimeoutSeconds, fallbackRouting }: DepartmentRowFragment): string {
  const { label } = ROUTING[routing];
  if (routing !== "EXTERNAL") return label;
  if (!externalTimeoutSeconds || !fallbackRouting) return `${label}, without a fallback`;
  return `${label}; after ${externalTimeoutSeconds} s ${ROUTING[fallbackRouting].label}`;
}
