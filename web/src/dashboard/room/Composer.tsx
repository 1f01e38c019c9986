import { useApolloClient } from "@apollo/client/react";
import { Button, Group, SegmentedControl, Text, Textarea } from "@mantine/core";
import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import { RoomSignalDocument, SendMessageDocument, type Audience, type SignalKind } from "../../gql/graphql";
import { refusalOf } from "../client/refusal";
import { useKeys } from "../keyboard/keys";
import { Problem } from "../shell/Problem";
import type { KnownMessage } from "./useRoom";

const TYPING_SENT_EVERY_MILLISECONDS = 3_000;

/** Writes to everyone or to the staff. Colour and words say to whom. */
export function Composer({ roomId, sent }: { roomId: string; sent: (message: KnownMessage) => void }) {
  const client = useApolloClient();
  const [audience, setAudience] = useState<Audience>("EVERYONE");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState(false);
  const typed = useRef(0);
  const field = useRef<HTMLTextAreaElement>(null);
  // The same message is sent with the same id, so that an attempt whose answer was lost is not sent twice.
  const key = useRef<string | null>(null);
  useEffect(() => void (key.current = null), [text, audience]);

  function writeTo(chosen: Audience) {
    setAudience(chosen);
    field.current?.focus();
  }
  useKeys({ n: () => writeTo("STAFF"), m: () => writeTo("EVERYONE") });

  async function send() {
    if (text.trim() === "" || sending) return;
    setSending(true);
    setProblem(null);
    key.current ??= crypto.randomUUID();
    try {
      const variables = { room: roomId, text: text.trim(), audience, key: key.current };
      const { data } = await client.mutate({ mutation: SendMessageDocument, variables });
      if (data?.sendMessage) sent(data.sendMessage.message as KnownMessage);
      setText("");
      typed.current = 0;
    } catch (error) {
      setProblem(refusalOf(error).message);
    } finally {
      setSending(false);
    }
  }

  function signal(kind: SignalKind) {
    client.mutate({ mutation: RoomSignalDocument, variables: { room: roomId, kind } }).catch(() => undefined);
  }

  function change(value: string) {
    setText(value);
    if (audience === "STAFF") return;
    if (value === "" && typed.current > 0) {
      typed.current = 0;
      signal("STOPPED_TYPING");
    } else if (value !== "" && Date.now() - typed.current >= TYPING_SENT_EVERY_MILLISECONDS) {
      typed.current = Date.now();
      signal("TYPING");
    }
  }

  function keyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.key === "Escape") event.currentTarget.blur();
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void send();
  }

  const isNote = audience === "STAFF";
  return (
    <form onSubmit={submit} className={`composer ${audience}`}>
      <SegmentedControl
        size="xs"
        aria-label="Who sees it"
        value={audience}
        onChange={(value) => setAudience(value as Audience)}
        data={[
          { value: "EVERYONE", label: "Everyone" },
          { value: "STAFF", label: "Note for staff" },
        ]}
      />
      <Textarea
        ref={field}
        mt="xs"
        aria-label={isNote ? "Note for staff" : "Message to everyone"}
        placeholder={isNote ? "A note that the visitor does not see" : "A message that the visitor sees"}
        autosize
        minRows={2}
        maxRows={6}
        value={text}
        onChange={(event) => change(event.currentTarget.value)}
        onKeyDown={keyDown}
      />
      {problem && <Problem>{problem}</Problem>}
      <Group justify="space-between" mt="xs">
        <Text size="sm" className={isNote ? "status QUEUED" : "quiet"}>
          {isNote ? "The visitor never sees this." : "The visitor reads this."}
        </Text>
        <Button type="submit" size="xs" loading={sending} disabled={text.trim() === ""}>
          {isNote ? "Add the note" : "Send"}
        </Button>
      </Group>
    </form>
  );
}
