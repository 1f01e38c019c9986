import { useApolloClient } from "@apollo/client/react";
import { Button, Group, Paper, SegmentedControl, Text, Textarea, Title } from "@mantine/core";
import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import {
  RoomSignalDocument,
  SendMessageDocument,
  type Audience,
  type RoomMessageFragment,
} from "../../gql/graphql";
import { exact } from "../rooms/status";
import { useMay } from "../session/session";
import { Problem } from "../shell/Problem";
import type { RoomDetails } from "./RoomPage";
import { addMessage } from "./messages";
import { useTyping } from "./useTyping";

const TYPING_SENT_EVERY_MILLISECONDS = 3_000;

/** The messages of a room, and the composer for messages and notes. */
export function Conversation({ room }: { room: RoomDetails }) {
  const maySend = useMay("messages:write");
  const messages = room.messages?.nodes ?? [];
  const typing = useTyping(room.id);
  const end = useRef<HTMLDivElement>(null);
  const last = messages.at(-1)?.id;
  useEffect(() => void end.current?.scrollIntoView({ block: "nearest" }), [last, typing]);
  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="conversation">
      <Title order={2} size="h4" id="conversation">
        Conversation
      </Title>
      <div className="messages" role="log" aria-label="Messages" tabIndex={0}>
        {messages.length === 0 && <Text className="quiet">There is no message yet.</Text>}
        {messages.map((message) => (
          <Message key={message.id} message={message} />
        ))}
        {typing && <Text className="quiet">{typing} is typing …</Text>}
        <div ref={end} />
      </div>
      {maySend && room.status !== "CLOSED" && <Composer roomId={room.id} />}
    </Paper>
  );
}

function Message({ message }: { message: RoomMessageFragment }) {
  const { sender, audience, sentAt, text, redactedAt, editedAt, choices, choice, attachments } = message;
  return (
    <article className={`message ${sender.type} ${audience}`}>
      <p>
        <strong>{sender.name ?? sender.type.toLowerCase()}</strong>{" "}
        <time className="quiet" dateTime={sentAt} title={exact(sentAt)}>
          {new Date(sentAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
        </time>{" "}
        {audience === "STAFF" && (
          <span className="status QUEUED">note</span>
        )}
      </p>
      <p>
        {redactedAt ? <em>This message was removed.</em> : text}
        {editedAt && !redactedAt && <small className="quiet"> (edited)</small>}
        {choice && <small className="quiet"> (chose {choice.label})</small>}
      </p>
      {choices.length > 0 && <p className="quiet">Choices: {choices.map(({ label }) => label).join(" · ")}</p>}
      {attachments.map(({ name, url }) => (
        <p key={url}>
          <a href={/^https?:/i.test(url) ? url : undefined} target="_blank" rel="noreferrer">
            {name}
          </a>
        </p>
      ))}
    </article>
  );
}

function Composer({ roomId }: { roomId: string }) {
  const client = useApolloClient();
  const [audience, setAudience] = useState<Audience>("EVERYONE");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState(false);
  const typed = useRef(0);

  async function send() {
    if (text.trim() === "" || sending) return;
    setSending(true);
    setProblem(null);
    try {
      const { data } = await client.mutate({
        mutation: SendMessageDocument,
        variables: { room: roomId, text: text.trim(), audience, key: crypto.randomUUID() },
      });
      if (data?.sendMessage) addMessage(client, roomId, data.sendMessage.message);
      setText("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setSending(false);
    }
  }

  function change(value: string) {
    setText(value);
    if (audience === "STAFF" || Date.now() - typed.current < TYPING_SENT_EVERY_MILLISECONDS) return;
    typed.current = Date.now();
    client.mutate({ mutation: RoomSignalDocument, variables: { room: roomId, kind: "TYPING" } }).catch(() => undefined);
  }

  function submit(event: FormEvent | KeyboardEvent) {
    event.preventDefault();
    void send();
  }

  const isNote = audience === "STAFF";
  return (
    <form onSubmit={submit}>
      <SegmentedControl
        size="xs"
        my="xs"
        aria-label="Who sees it"
        value={audience}
        onChange={(value) => setAudience(value as Audience)}
        data={[
          { value: "EVERYONE", label: "Everyone" },
          { value: "STAFF", label: "Note for staff" },
        ]}
      />
      <Textarea
        aria-label={isNote ? "Note for staff" : "Message to everyone"}
        placeholder={isNote ? "A note that the visitor does not see" : "A message that the visitor sees"}
        autosize
        minRows={2}
        maxRows={6}
        value={text}
        onChange={(event) => change(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && !event.shiftKey && submit(event)}
      />
      {problem && <Problem>{problem}</Problem>}
      <Group justify="end" mt="xs">
        <Button type="submit" size="xs" loading={sending} disabled={text.trim() === ""}>
          {isNote ? "Add the note" : "Send"}
        </Button>
      </Group>
    </form>
  );
}
