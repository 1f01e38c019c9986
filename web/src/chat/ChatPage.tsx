import { useEffect, useRef, useState, type FormEvent } from "react";
import type { Conversation } from "./conversation";
import { Message } from "./Message";
import { page } from "../shared/page";
import { useChat, type Connection } from "./useChat";

const CONNECTIONS: Record<Connection, string> = {
  none: "",
  connecting: "Connecting …",
  live: "Connected",
  offline: "Offline. Your messages stay here; connecting again …",
};

export function ChatPage() {
  const { conversation, connection, typing, send, close, reportTyping } = useChat();
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState(false);
  const end = useRef<HTMLDivElement>(null);
  const lines = conversation.lines;
  const last = lines.at(-1)?.id;
  useEffect(() => void end.current?.scrollIntoView({ block: "end" }), [last, typing]);

  async function attempt(action: () => Promise<void>): Promise<boolean> {
    setSending(true);
    setProblem(null);
    try {
      await action();
      return true;
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The message was not sent. Try again.");
      return false;
    } finally {
      setSending(false);
    }
  }

  return (
    <main className="chat">
      <header>
        <h1>Chat</h1>
        <p role="status" className={`state ${connection}`}>
          {describe(conversation)} <span>{CONNECTIONS[connection]}</span>
        </p>
        {conversation.roomId && conversation.status !== "CLOSED" && (
          <button type="button" className="quiet" onClick={() => void attempt(close)}>
            End the conversation
          </button>
        )}
      </header>
      <div className="lines" role="log" aria-label="Messages" tabIndex={0}>
        {lines.length === 0 && <p className="hint">Write a message, and a conversation begins.</p>}
        {lines.map((line) => (
          <Message
            key={line.id}
            line={line}
            chosen={lines.find(({ choice }) => choice?.messageId === line.id)?.choice?.choiceId}
            open={conversation.status !== "CLOSED" && !sending}
            choose={({ id, label }) => attempt(() => send(label, { messageId: line.id, choiceId: id }))}
          />
        ))}
        {conversation.status === "CLOSED" && (
          <p className="hint">The conversation is closed. A new message begins another one.</p>
        )}
        {conversation.status === "QUEUED" && <Waiting />}
        {typing && (
          <p className="typing">
            <span className="hidden">{conversation.agent ?? "Somebody"} is typing</span>
            <i aria-hidden /> <i aria-hidden /> <i aria-hidden />
          </p>
        )}
        <div ref={end} />
      </div>
      {problem && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
      <Composer sending={sending} send={(text) => attempt(() => send(text))} typed={reportTyping} />
    </main>
  );
}

const LONG_WAIT_MILLISECONDS = 8_000;
const ON_THIS_MACHINE = /^(localhost|127\.|\[::1\])/.test(location.hostname);

/** After a while, what one can do if nobody takes the conversation. */
function Waiting() {
  const [isLong, setIsLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLong(true), LONG_WAIT_MILLISECONDS);
    return () => clearTimeout(timer);
  }, []);
  if (!isLong) return null;
  if (!ON_THIS_MACHINE)
    return <p className="hint">Nobody is free yet. You can close this page and come back: the conversation stays.</p>;
  return (
    <p className="hint">
      No agent has this conversation yet: there is none, or none is free. Open the{" "}
      <a href={`${page.base}/`} target="_blank" rel="noreferrer">
        dashboard
      </a>{" "}
      to answer it yourself.
    </p>
  );
}

interface ComposerProps {
  sending: boolean;
  send: (text: string) => Promise<boolean>;
  typed: () => void;
}

function Composer({ sending, send, typed }: ComposerProps) {
  const [text, setText] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (text.trim() !== "" && (await send(text.trim()))) setText("");
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <label className="hidden" htmlFor="text">
        Your message
      </label>
      <input
        id="text"
        autoComplete="off"
        placeholder="Your message"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          typed();
        }}
      />
      <button type="submit" disabled={sending || text.trim() === ""}>
        Send
      </button>
    </form>
  );
}

function describe({ status, agent }: Conversation): string {
  if (status === "QUEUED") return "Somebody will be with you soon.";
  if (status === "ASSIGNED") return `You are talking to ${agent ?? "an agent"}.`;
  if (status === "ON_HOLD") return `${agent ?? "The agent"} will be back soon.`;
  return "";
}
