import { useQuery } from "@apollo/client/react";
import { useEffect } from "react";
import { FloorDocument, type FloorQuery } from "../../gql/graphql";
import type { FeedEvent } from "../client/feed";
import { useMay, useSession } from "../session/session";

const TOGETHER_MILLISECONDS = 500;

export type FloorAgent = NonNullable<FloorQuery["agents"]>["nodes"][number];

export interface Floor {
  /** Null until they are known. */
  agents: FloorAgent[] | null;
  totalCount: number;
}

/** The agents, read again at most twice a second if an event concerns one of them. */
export function useFloor(): Floor {
  const { feed } = useSession();
  const mayReadUsers = useMay("users:read");
  const { data, refetch } = useQuery(FloorDocument, { skip: !mayReadUsers, fetchPolicy: "cache-and-network" });
  useEffect(() => {
    if (!mayReadUsers) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = feed.onEvent((event) => {
      if (!concernsAgents(event)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void refetch().catch(() => undefined);
      }, TOGETHER_MILLISECONDS);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [feed, mayReadUsers, refetch]);
  const agents = data?.agents;
  return { agents: agents?.nodes ?? null, totalCount: agents?.totalCount ?? agents?.nodes.length ?? 0 };
}

function concernsAgents({ type }: FeedEvent): boolean {
  return /^(AGENT|USER|ROOM_(HELD|RESUMED|CLOSED|TRANSFERRED))/.test(type);
}
