import type { TypedDocumentNode } from "@apollo/client";
import { useApolloClient, useQuery } from "@apollo/client/react";
import { Button, Group, NativeSelect } from "@mantine/core";
import { useState } from "react";
import {
  AgentNamesDocument,
  AssignRoomDocument,
  CloseRoomDocument,
  DepartmentNamesDocument,
  HoldRoomDocument,
  ResumeRoomDocument,
  ReturnToQueueDocument,
  TakeRoomDocument,
  TransferToAgentDocument,
  TransferToDepartmentDocument,
} from "../../gql/graphql";
import { describe } from "../client/refusal";
import { useKeys } from "../keyboard/keys";
import { useMay, useSession } from "../session/session";
import type { RoomDetails } from "./useRoom";

interface ActionsProps {
  room: RoomDetails;
  /** Shows why an action was refused. Null: the earlier text is removed. */
  report: (problem: string | null) => void;
}

/** What the token may do with the room. */
export function Actions({ room, report }: ActionsProps) {
  const client = useApolloClient();
  const { viewer } = useSession();
  const mayAssign = useMay("rooms:assign");
  const mayWrite = useMay("rooms:write");
  const mayReadUsers = useMay("users:read");
  const [working, setWorking] = useState(false);

  async function act<Data, Variables extends Record<string, unknown>>(
    mutation: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ) {
    if (working) return;
    setWorking(true);
    report(null);
    try {
      await client.mutate({ mutation, variables } as never);
    } catch (error) {
      report(describe(error));
    } finally {
      setWorking(false);
    }
  }

  const { id, status } = room;
  const open = status !== "CLOSED";
  const take = status === "QUEUED" && viewer.user?.agent ? () => act(TakeRoomDocument, { id }) : null;
  const close = open && mayWrite ? () => act(CloseRoomDocument, { id }) : null;
  useKeys({ ...(take ? { t: take } : {}), ...(close ? { c: close } : {}) });
  if (!open) return null;
  return (
    <Group gap="xs" role="group" aria-label="Actions">
      {take && (
        <Button size="xs" disabled={working} onClick={() => void take()}>
          Take
        </Button>
      )}
      {mayAssign && mayReadUsers && (
        <Targets
          room={room}
          assign={(agent) =>
            room.servedBy ? act(TransferToAgentDocument, { id, agent }) : act(AssignRoomDocument, { id, agent })
          }
          transfer={(department) => act(TransferToDepartmentDocument, { id, department })}
        />
      )}
      {status === "ASSIGNED" && mayWrite && (
        <Button size="xs" variant="default" disabled={working} onClick={() => void act(HoldRoomDocument, { id })}>
          Put on hold
        </Button>
      )}
      {status === "ON_HOLD" && mayWrite && (
        <Button size="xs" variant="default" disabled={working} onClick={() => void act(ResumeRoomDocument, { id })}>
          Resume
        </Button>
      )}
      {room.servedBy && mayAssign && (
        <Button size="xs" variant="default" disabled={working} onClick={() => void act(ReturnToQueueDocument, { id })}>
          Back to the queue
        </Button>
      )}
      {close && (
        <Button size="xs" variant="default" disabled={working} onClick={() => void close()}>
          Close
        </Button>
      )}
    </Group>
  );
}

interface TargetsProps {
  room: RoomDetails;
  assign: (agent: string) => Promise<void>;
  transfer: (department: string) => Promise<void>;
}

function Targets({ room, assign, transfer }: TargetsProps) {
  const agents = (useQuery(AgentNamesDocument).data?.agents?.nodes ?? []).filter(({ id }) => id !== room.servedBy?.id);
  const departments = (useQuery(DepartmentNamesDocument).data?.departments ?? []).filter(
    ({ id, enabled }) => enabled && id !== room.department?.id,
  );
  const assigning = room.servedBy ? "Transfer to an agent" : "Assign to an agent";
  return (
    <>
      {agents.length > 0 && (
        <NativeSelect
          size="xs"
          w={140}
          aria-label={assigning}
          value=""
          onChange={(event) => void assign(event.currentTarget.value)}
          data={[
            { value: "", label: `${room.servedBy ? "Transfer" : "Assign"} to …` },
            ...agents.map(({ id, user, routable }) => ({
              value: id,
              label: `${user.name ?? user.username}${routable ? "" : " (takes no rooms now)"}`,
            })),
          ]}
        />
      )}
      {departments.length > 0 && (
        <NativeSelect
          size="xs"
          w={140}
          aria-label="Transfer to a department"
          value=""
          onChange={(event) => void transfer(event.currentTarget.value)}
          data={[
            { value: "", label: "Department …" },
            ...departments.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
    </>
  );
}
