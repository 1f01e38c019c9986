import { Button, Group, NativeSelect, Text } from "@mantine/core";
import type { TypedDocumentNode } from "@apollo/client";
import { useApolloClient, useQuery } from "@apollo/client/react";
import { useEffect, useState } from "react";
import {
  AgentNamesDocument,
  AssignRoomDocument,
  CloseRoomDocument,
  DepartmentNamesDocument,
  HoldRoomDocument,
  TakeRoomDocument,
  TransferToAgentDocument,
  TransferToDepartmentDocument,
} from "../../gql/graphql";
import { describe, refusalOf } from "../client/refusal";
import type { ListedRoom } from "../client/liveList";
import { useKeys } from "../keyboard/keys";
import { useMay, useSession } from "../session/session";
import { Problem } from "../shell/Problem";

const AT_ONCE = 4;

interface BulkActionsProps {
  selected: ListedRoom[];
  /** The room of the row with the focus, for keys while no room is selected. */
  active: () => ListedRoom | undefined;
  clear: () => void;
}

interface Outcome {
  done: string;
  refusals: string[];
}

/** What can be done with all selected rooms. Each room has its own answer. */
export function BulkActions({ selected, active, clear }: BulkActionsProps) {
  const client = useApolloClient();
  const { viewer } = useSession();
  const mayAssign = useMay("rooms:assign");
  const mayWrite = useMay("rooms:write");
  const mayReadUsers = useMay("users:read");
  const [sure, setSure] = useState(false);
  const [progress, setProgress] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);

  async function all(word: string, affected: ListedRoom[], one: (room: ListedRoom) => Promise<unknown>) {
    if (affected.length === 0 || progress !== null) return;
    setOutcome(null);
    const refusals: string[] = [];
    const waiting = [...affected];
    let finished = 0;
    setProgress(`0 of ${affected.length}`);
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let room = waiting.shift(); room; room = waiting.shift()) {
          try {
            await withPatience(() => one(room!));
          } catch (error) {
            refusals.push(`${room.subject ?? room.id}: ${describe(error)}`);
          }
          finished += 1;
          setProgress(`${finished} of ${affected.length}`);
        }
      }),
    );
    setProgress(null);
    setOutcome({ done: `${affected.length - refusals.length} ${word}.`, refusals });
    clear();
  }

  const mutate = <Data, Variables extends Record<string, unknown>>(mutation: TypedDocumentNode<Data, Variables>, variables: Variables) =>
    client.mutate({ mutation, variables } as never);
  const queued = selected.filter(isQueued);
  const assigned = selected.filter(({ status }) => status === "ASSIGNED");
  const open = selected.filter(isOpen);
  const mayTake = Boolean(viewer.user?.agent);
  const take = (rooms: ListedRoom[]) => all("taken", rooms.filter(isQueued), ({ id }) => mutate(TakeRoomDocument, { id }));
  // Several rooms are closed by the second press.
  const close = (rooms: ListedRoom[]) => {
    const affected = rooms.filter(isOpen);
    if (affected.length > 1 && !sure) return setSure(true);
    return all("closed", affected, ({ id }) => mutate(CloseRoomDocument, { id }));
  };
  const key = () => (selected.length > 0 ? selected : [active()].filter((room) => room !== undefined));
  useKeys({ ...(mayTake ? { t: () => take(key()) } : {}), ...(mayWrite ? { c: () => close(key()) } : {}) });
  useEffect(() => setSure(false), [selected.length]);

  const disabled = progress !== null;
  return (
    <div className={`bulk${selected.length > 0 || progress !== null || outcome !== null ? " shown" : ""}`} role="group" aria-label="Actions for the selected rooms">
      {selected.length > 0 && (
        <Group gap="xs">
          <Text fw={600}>{selected.length.toLocaleString()} selected</Text>
          {mayTake && queued.length > 0 && (
            <Button size="compact-sm" disabled={disabled} onClick={() => void take(selected)}>
              Take {queued.length}
            </Button>
          )}
          {mayWrite && assigned.length > 0 && (
            <Button
              size="compact-sm"
              variant="default"
              disabled={disabled}
              onClick={() => void all("put on hold", assigned, ({ id }) => mutate(HoldRoomDocument, { id }))}
            >
              Put {assigned.length} on hold
            </Button>
          )}
          {mayWrite && open.length > 0 && (
            <Button size="compact-sm" variant={sure ? "filled" : "default"} disabled={disabled} onClick={() => void close(selected)}>
              {sure ? `Really close ${open.length}?` : `Close ${open.length}`}
            </Button>
          )}
          {mayAssign && mayReadUsers && open.length > 0 && (
            <Targets
              disabled={disabled}
              toAgent={(agent) =>
                all("assigned", open, ({ id, servedBy }) =>
                  servedBy ? mutate(TransferToAgentDocument, { id, agent }) : mutate(AssignRoomDocument, { id, agent }),
                )
              }
              toDepartment={(department) => all("transferred", open, ({ id }) => mutate(TransferToDepartmentDocument, { id, department }))}
            />
          )}
          <Button size="compact-sm" variant="subtle" onClick={clear}>
            Clear the selection
          </Button>
        </Group>
      )}
      <Group gap="xs">
        <Text role="status" className="quiet">
          {progress ?? outcome?.done ?? ""}
        </Text>
        {outcome && (
          <Button size="compact-xs" variant="subtle" onClick={() => setOutcome(null)}>
            Dismiss
          </Button>
        )}
      </Group>
      {outcome && outcome.refusals.length > 0 && (
        <Problem>
          {outcome.refusals.length} refused: {outcome.refusals.slice(0, 3).join("; ")}
          {outcome.refusals.length > 3 && " …"}
        </Problem>
      )}
    </div>
  );
}

function isQueued({ status }: ListedRoom): boolean {
  return status === "QUEUED";
}

function isOpen({ status }: ListedRoom): boolean {
  return status !== "CLOSED";
}

/** Tries again after the time that the server asks for. */
async function withPatience(act: () => Promise<unknown>): Promise<void> {
  for (;;)
    try {
      await act();
      return;
    } catch (error) {
      const seconds = Number(refusalOf(error).extensions.retryAfterSeconds);
      if (!(seconds > 0)) throw error;
      await new Promise((resume) => setTimeout(resume, 1_000 * seconds));
    }
}

interface TargetsProps {
  disabled: boolean;
  toAgent: (id: string) => unknown;
  toDepartment: (id: string) => unknown;
}

function Targets({ disabled, toAgent, toDepartment }: TargetsProps) {
  const agents = useQuery(AgentNamesDocument).data?.agents?.nodes ?? [];
  const departments = (useQuery(DepartmentNamesDocument).data?.departments ?? []).filter(({ enabled }) => enabled);
  return (
    <>
      {agents.length > 0 && (
        <NativeSelect
          size="xs"
          aria-label="Assign the selected rooms"
          disabled={disabled}
          value=""
          onChange={(event) => void toAgent(event.currentTarget.value)}
          data={[{ value: "", label: "Assign to …" }, ...agents.map(({ id, user }) => ({ value: id, label: user.name ?? user.username }))]}
        />
      )}
      {departments.length > 0 && (
        <NativeSelect
          size="xs"
          aria-label="Transfer the selected rooms"
          disabled={disabled}
          value=""
          onChange={(event) => void toDepartment(event.currentTarget.value)}
          data={[{ value: "", label: "Transfer to …" }, ...departments.map(({ id, name }) => ({ value: id, label: name }))]}
        />
      )}
    </>
  );
}
