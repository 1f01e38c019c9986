import { CombinedGraphQLErrors, type TypedDocumentNode } from "@apollo/client";
import { useApolloClient, useQuery } from "@apollo/client/react";
import { Button, Group, NativeSelect } from "@mantine/core";
import { useState } from "react";
import {
  AssignableAgentsDocument,
  AssignRoomDocument,
  CloseRoomDocument,
  HoldRoomDocument,
  ResumeRoomDocument,
  TakeRoomDocument,
  TransferToAgentDocument,
  TransferToDepartmentDocument,
} from "../../gql/graphql";
import { useMay, useSession } from "../session/session";
import type { RoomDetails } from "./RoomPage";

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

  const id = room.id;
  const open = room.status !== "CLOSED";
  return (
    <>
      <Group gap="xs">
        {room.status === "QUEUED" && viewer.user?.agent && (
          <Button size="xs" disabled={working} onClick={() => void act(TakeRoomDocument, { id })}>
            Take
          </Button>
        )}
        {room.status === "ASSIGNED" && mayWrite && (
          <Button size="xs" variant="default" disabled={working} onClick={() => void act(HoldRoomDocument, { id })}>
            Put on hold
          </Button>
        )}
        {room.status === "ON_HOLD" && mayWrite && (
          <Button size="xs" variant="default" disabled={working} onClick={() => void act(ResumeRoomDocument, { id })}>
            Resume
          </Button>
        )}
        {open && mayWrite && (
          <Button size="xs" variant="default" disabled={working} onClick={() => void act(CloseRoomDocument, { id })}>
            Close
          </Button>
        )}
      </Group>
      {open && mayAssign && mayReadUsers && (
        <Targets
          room={room}
          assign={(agent) =>
            room.servedBy ? act(TransferToAgentDocument, { id, agent }) : act(AssignRoomDocument, { id, agent })
          }
          transfer={(department) => act(TransferToDepartmentDocument, { id, department })}
        />
      )}
    </>
  );
}

interface TargetsProps {
  room: RoomDetails;
  assign: (agent: string) => Promise<void>;
  transfer: (department: string) => Promise<void>;
}

function Targets({ room, assign, transfer }: TargetsProps) {
  const { data } = useQuery(AssignableAgentsDocument);
  const agents = (data?.agents?.nodes ?? []).filter(({ id }) => id !== room.servedBy?.id);
  const departments = (data?.departments ?? []).filter(({ id, enabled }) => enabled && id !== room.department?.id);
  return (
    <>
      {agents.length > 0 && (
        <NativeSelect
          label={room.servedBy ? "Transfer to an agent" : "Assign"}
          value=""
          onChange={(event) => void assign(event.currentTarget.value)}
          data={[
            { value: "", label: "Choose an agent" },
            ...agents.map(({ id, user, routable }) => ({
              value: id,
              label: `${user.name ?? user.username}${routable ? "" : " (takes no rooms now)"}`,
            })),
          ]}
        />
      )}
      {departments.length > 0 && (
        <NativeSelect
          label="Transfer to a department"
          value=""
          onChange={(event) => void transfer(event.currentTarget.value)}
          data={[
            { value: "", label: "Choose a department" },
            ...departments.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
    </>
  );
}

/** The message of a refusal, with the agent who serves the room if another caller was faster. */
function describe(error: unknown): string {
  if (!CombinedGraphQLErrors.is(error)) return error instanceof Error ? error.message : String(error);
  const [first] = error.errors;
  const winner = (first?.extensions?.servedBy as { username?: string } | undefined)?.username;
  return winner ? `${winner} was faster and serves the room now.` : (first?.message ?? error.message);
}
