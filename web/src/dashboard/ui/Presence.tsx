import type { Presence as PresenceName } from "../../gql/graphql";

export const PRESENCES: PresenceName[] = ["ONLINE", "AWAY", "BUSY", "OFFLINE"];
const SHAPES: Record<PresenceName, string> = { ONLINE: "●", AWAY: "◐", BUSY: "◆", OFFLINE: "○" };

/** A presence as a colour, a shape and a word. */
export function Presence({ presence }: { presence: PresenceName }) {
  return (
    <span className={`presence ${presence}`}>
      <span aria-hidden>{SHAPES[presence]}</span> {presence.toLowerCase()}
    </span>
  );
}
