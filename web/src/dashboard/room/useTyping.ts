import { useEffect, useState } from "react";
import { RoomSignalsDocument } from "../../gql/graphql";
import { follow } from "../client/follow";
import { useApi } from "../client/hooks";
import { useMay } from "../session/session";

const SHOWN_MILLISECONDS = 6_000;

/** Who types in the room at the moment, or null. */
export function useTyping(roomId: string): string | null {
  const { client } = useApi();
  const mayRead = useMay("messages:read");
  const [name, setName] = useState<string | null>(null);
  useEffect(() => {
    if (!mayRead) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = follow(client, {
      document: RoomSignalsDocument,
      variables: () => ({ where: { ids: [roomId] } }),
      next: ({ signals: { kind, sender } }) => {
        clearTimeout(timer);
        setName(kind === "TYPING" ? (sender.name ?? sender.type.toLowerCase()) : null);
        timer = setTimeout(() => setName(null), SHOWN_MILLISECONDS);
      },
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [client, mayRead, roomId]);
  return name;
}
