import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print, type GraphQLFormattedError } from "graphql";
import { createClient, type Client } from "graphql-ws";
import { useCallback, useEffect, useRef, useState } from "react";
import {
  ChatEventsDocument,
  ChatSignalsDocument,
  CloseChatDocument,
  OpenChatDocument,
  SendChatMessageDocument,
  SendTypingDocument,
  StartChatDocument,
  type ChatEventsSubscription,
  type ChatSignalsSubscription,
  type SendChatMessageMutationVariables,
} from "../gql/graphql";
import { socketUrl } from "../shared/page";
import { applied, NOTHING, opened, withLine, type Conversation, type Line } from "./conversation";
import { beginSession, forgetSession, onSession, storedSession, type Session } from "./session";

export type Connection = "none" | "connecting" | "live" | "offline";

const TOKEN_ENDED = 4403;
const TYPING_SHOWN_MILLISECONDS = 6_000;
const TYPING_SENT_EVERY_MILLISECONDS = 3_000;
const LONGEST_RETRY_SECONDS = 15;
const RESTART_SECONDS = 2;

/** The conversation of this browser's visitor, kept up to date, and what the visitor can do in it. */
export function useChat() {
  const [session, setSession] = useState<Session | null>(storedSession);
  const [conversation, setConversation] = useState<Conversation>(NOTHING);
  const [connection, setConnection] = useState<Connection>(session ? "connecting" : "none");
  const [typing, setTyping] = useState(false);
  const client = useRef<Client | null>(null);

  // Another tab of this browser has begun or ended the session.
  useEffect(() => onSession(setSession), []);

  useEffect(() => {
    if (session === null) return;
    const opened = connect(session, { setConnection, setConversation, setTyping, end: () => setSession(null) });
    client.current = opened;
    return () => {
      client.current = null;
      void opened.dispose();
    };
  }, [session]);

  const run = useCallback(async <Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables) => {
    if (client.current === null) throw new Error("There is no connection yet.");
    return execute(client.current, document, variables);
  }, []);

  const send = useCallback(
    async (text: string, choice?: SendChatMessageMutationVariables["choice"]) => {
      // The effect connects as soon as the session is stored.
      const { status } = conversation;
      let { roomId } = conversation;
      if (session === null) {
        setSession(await beginSession());
        await until(() => client.current !== null);
      }
      if (roomId === null || status === "CLOSED") {
        const started = await run(StartChatDocument, { subject: text.slice(0, 80) });
        roomId = started.startRoom!.room.id;
        setConversation((before) => (before.roomId === roomId ? before : { ...NOTHING, roomId, status: "QUEUED" }));
      }
      const sent = await run(SendChatMessageDocument, { room: roomId, text, choice, id: newId() });
      setConversation((before) => (before.roomId === roomId ? withLine(before, sent.sendMessage!.message as Line) : before));
    },
    [conversation, run, session],
  );

  const close = useCallback(async () => {
    if (conversation.roomId) await run(CloseChatDocument, { room: conversation.roomId });
  }, [conversation.roomId, run]);

  const lastTyped = useRef(0);
  const reportTyping = useCallback(() => {
    const { roomId, status } = conversation;
    if (!roomId || status === "CLOSED" || Date.now() - lastTyped.current < TYPING_SENT_EVERY_MILLISECONDS) return;
    lastTyped.current = Date.now();
    run(SendTypingDocument, { room: roomId, kind: "TYPING" }).catch(() => undefined);
  }, [conversation, run]);

  return { conversation, connection, typing, send, close, reportTyping };
}

interface Setters {
  setConnection: (connection: Connection) => void;
  setConversation: (change: (before: Conversation) => Conversation) => void;
  setTyping: (typing: boolean) => void;
  end: () => void;
}

function connect(session: Session, { setConnection, setConversation, setTyping, end }: Setters): Client {
  let subscribed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const events: { after?: string } = {};

  const client = createClient({
    url: socketUrl,
    lazy: false,
    connectionParams: { authorization: `Bearer ${session.token}` },
    retryAttempts: Infinity,
    retryWait: (attempt) => pause(Math.min(2 ** attempt / 2, LONGEST_RETRY_SECONDS) * (0.5 + Math.random() / 2)),
    shouldRetry: (problem) => !(problem instanceof CloseEvent && problem.code === TOKEN_ENDED),
    onNonLazyError: (problem) => problem instanceof CloseEvent && problem.code === TOKEN_ENDED && ended(),
    on: { connected: () => void start(), closed: () => setConnection("offline") },
  });

  function ended(): void {
    forgetSession();
    setConnection("none");
    end();
  }

  // After a new connection the client sends the subscriptions again, with the variables as they are then.
  async function start(): Promise<void> {
    if (subscribed) return setConnection("live");
    try {
      const data = await execute(client, OpenChatDocument, {});
      if (data.viewer === null || subscribed) return;
      subscribed = true;
      events.after = data.eventCursor ?? undefined;
      setConversation(() => opened(data));
      follow();
      setConnection("live");
    } catch (problem) {
      // A connection that was lost begins again by itself, and then this function is called again.
      if (problem instanceof ApiError && problem.code === "UNAUTHENTICATED") ended();
      else if (problem instanceof ApiError) await pause(RESTART_SECONDS).then(start);
    }
  }

  function follow(): void {
    const again = async () => {
      subscribed = false;
      await pause(RESTART_SECONDS);
      await start();
    };
    client.subscribe(
      { query: print(ChatEventsDocument), variables: events as Record<string, unknown> },
      {
        next: ({ data }) => {
          const event = (data as unknown as ChatEventsSubscription).events;
          events.after = event.cursor;
          if ("message" in event) setTyping(false);
          setConversation((before) => applied(before, event));
        },
        error: () => void again(),
        complete: () => undefined,
      },
    );
    client.subscribe(
      { query: print(ChatSignalsDocument) },
      {
        next: ({ data }) => {
          const { kind } = (data as unknown as ChatSignalsSubscription).signals;
          clearTimeout(timer);
          setTyping(kind === "TYPING");
          if (kind === "TYPING") timer = setTimeout(() => setTyping(false), TYPING_SHOWN_MILLISECONDS);
        },
        error: () => undefined,
        complete: () => undefined,
      },
    );
  }

  return client;
}

/** The data of an operation. Throws the first error of the response. */
function execute<Data, Variables>(
  client: Client,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  return new Promise((resolve, reject) => {
    const operation = { query: print(document), variables: variables as Record<string, unknown> };
    client.subscribe(operation, {
      next: ({ data, errors }) => (errors?.[0] ? reject(new ApiError(errors[0])) : resolve(data as Data)),
      error: (problem) => reject(problem instanceof Array ? new ApiError(problem[0]) : problem),
      complete: () => reject(new Error("The operation ended without an answer.")),
    });
  });
}

/** An error of the API, with its code. */
class ApiError extends Error {
  readonly code: unknown;

  constructor({ message, extensions }: Pick<GraphQLFormattedError, "message" | "extensions">) {
    super(message);
    this.code = extensions?.code;
  }
}

/** An id for one message, also on a page without TLS, where `crypto.randomUUID` does not exist. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(0.05);
}
