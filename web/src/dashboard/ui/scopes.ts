/** What each scope allows, as the server says it in docs/security.md. */
export const SCOPES: Record<string, string> = {
  admin: "everything",
  "users:read": "read users, agents, roles and departments",
  "users:write": "create and change users",
  "roles:write": "create roles, give and take them",
  "agents:write": "make users agents, and change what they serve",
  "departments:write": "create and change departments",
  "fields:write": "define custom fields",
  "visitors:read": "read visitors",
  "visitors:write": "create and change visitors",
  "visitors:export": "export all that is stored about a visitor",
  "visitors:erase": "erase visitors",
  "rooms:read": "read rooms",
  "rooms:write": "start, change, hold and close rooms, and set timers",
  "rooms:assign": "decide who serves a room",
  "messages:read": "read messages",
  "messages:write": "send messages, and edit and redact its own",
  "messages:moderate": "redact the messages of others",
  "events:read": "the event log, subscriptions and consumers",
  "apps:write": "create and revoke apps",
  "webhooks:write": "create and change webhooks",
};

/** The scopes in the order in which people look for them, unknown ones of a newer server at the end. */
export function sortedScopes(scopes: readonly string[]): string[] {
  const known = Object.keys(SCOPES);
  const place = (scope: string) => (known.includes(scope) ? known.indexOf(scope) : known.length);
  return [...scopes].sort((one, other) => place(one) - place(other));
}
