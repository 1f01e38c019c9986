// What the judges of all clients share: checks, requests without a client, and random changes.
import { WebSocket } from "ws";

const [url, token] = process.argv.slice(2) as [string, string];
export { token, url };

const TIMEOUT_MS = 60_000;
const DELAY_MS = 150;
const failed: string[] = [];
let passed = 0;

// A warning of a client is a failure.
for (const level of ["warn", "error"] as const)
  console[level] = (...words: unknown[]) => void failed.push(`console.${level}: ${words.map(String).join(" ")}`);

export const after = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function check(name: string, body: () => Promise<void>): Promise<void> {
  const timeout = after(TIMEOUT_MS).then(() => {
    throw new Error("timed out");
  });
  try {
    await Promise.race([body(), timeout]);
    passed += 1;
  } catch (error) {
    failed.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error)}`);
  }
}

export function report(): never {
  console.log(JSON.stringify({ total: passed + failed.length, passed, failed }));
  process.exit(0);
}

export function equal(found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${one?.slice(0, 2_000)} instead of ${other?.slice(0, 2_000)}`);
}

/** Waits until both functions return the same. */
export async function becomesEqual(find: () => unknown, expect: () => Promise<unknown>): Promise<void> {
  let [one, other] = ["", ""];
  for (let attempt = 0; attempt < 150; attempt += 1) {
    other = JSON.stringify(await expect());
    one = JSON.stringify(find());
    if (one === other) return;
    await after(200);
  }
  throw new Error(`${one} instead of ${other}`);
}

export async function post<Data>(query: string, variables: object = {}): Promise<Data> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Delivers messages late, so that the answer of a mutation is newer than the next delivery. */
class LateWebSocket extends WebSocket {
  static readonly opened = new Set<LateWebSocket>();
  private readonly operations: string[] = [];
  private deliver: (data: string) => void = () => {};

  constructor(address: string, protocols: string | string[]) {
    super(address, protocols);
    LateWebSocket.opened.add(this);
    let handler: WebSocket["onmessage"] = null;
    Object.defineProperty(this, "onmessage", { get: () => handler, set: (value) => void (handler = value) });
    this.addEventListener("message", (event) => setTimeout(() => handler?.(event), DELAY_MS));
    this.deliver = (data) => handler?.({ data } as Parameters<NonNullable<typeof handler>>[0]);
  }

  override send(data: string): void {
    const { id, type } = JSON.parse(data) as { id?: string; type: string };
    if (type === "subscribe" && id !== undefined) this.operations.push(id);
    super.send(data);
  }

  /** Lets the client believe that the server has completed all operations, as a server does that stops. */
  complete(): void {
    for (const id of this.operations.splice(0)) this.deliver(JSON.stringify({ id, type: "complete" }));
  }
}
Object.assign(globalThis, { WebSocket: LateWebSocket });

/** Completes every subscription, as a server that stops does. */
function complete(): void {
  for (const socket of LateWebSocket.opened) socket.complete();
}

/** Interrupts every subscription. */
function disconnect(): void {
  for (const socket of LateWebSocket.opened) socket.terminate();
  LateWebSocket.opened.clear();
}

await post('mutation { saveVisitor(input: { token: "frontend", name: "Vera" }) { visitor { id } } }');
const { createDepartment } = await post<{ createDepartment: { department: { id: string } } }>(
  "mutation ($name: String!) { createDepartment(input: { name: $name }) { department { id } } }",
  { name: `frontend ${Date.now()}` },
);
export const departmentId = createDepartment.department.id;

/** A subject that the server refuses. */
export const TOO_LONG = "x".repeat(10_000);

export async function refused(change: Promise<void>): Promise<void> {
  const error = await change.then(() => undefined, (error: unknown) => error);
  if (!String(error).includes("subject")) throw new Error(`not refused: ${String(error)}`);
}

export async function startRoom(subject: string): Promise<string> {
  const { startRoom } = await post<{ startRoom: { room: { id: string } } }>(
    `mutation ($subject: String, $departmentId: ID!) {
      startRoom(input: { visitorToken: "frontend", departmentId: $departmentId, subject: $subject }) { room { id } }
    }`,
    { subject, departmentId },
  );
  return startRoom.room.id;
}

/** The same numbers in every run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** Starts, changes and closes rooms. `update` and `close` are done by the client that is judged. */
export async function changeAtRandom(
  steps: number,
  open: string[],
  { update, close }: { update: (id: string, subject: string) => Promise<void>; close: (id: string) => Promise<void> },
): Promise<void> {
  const random = randomNumbers(steps);
  for (let step = 0; step < steps; step += 1) {
    const choice = random(10);
    const id = open[random(open.length)];
    if (id === undefined || choice < 3) open.push(await startRoom(`subject ${step}`));
    else if (choice < 8) await update(id, `subject ${step}`);
    else {
      open.splice(open.indexOf(id), 1);
      await close(id);
    }
    if (step === Math.floor(steps / 4)) complete();
    if (step === Math.floor(steps / 2)) disconnect();
  }
}

/** Remembers the revisions of each room in the order in which a client shows them. */
export class Revisions {
  private readonly highest = new Map<string, number>();
  readonly wentBack: string[] = [];

  /** The highest revision of a room, or 1 if none was shown. */
  of(id: string): number {
    return this.highest.get(id) ?? 1;
  }

  see({ id, revision }: { id: string; revision: number }): void {
    const before = this.highest.get(id) ?? 0;
    if (revision < before) this.wentBack.push(`${id}: ${before}, then ${revision}`);
    this.highest.set(id, Math.max(before, revision));
  }
}
