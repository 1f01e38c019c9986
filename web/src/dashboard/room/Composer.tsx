import { useApolloClient } from "@apollo/client/react";
import { Button, Group, SegmentedControl, Text, Textarea } from "@mantine/core";
import { useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import { RoomSignalDocument, SendMessageDocument, type Audience, type SignalKind } from "../../gql/graphql";
import { refusalOf } from "../client/refusal";
import { useKeys } from "../keyboard/keys";
import { Problem } from "../shell/Problem";
import type { KnownMessage } from "./useRoom";

const TYPING_SENT_EVERY_MILLISECONDS = 3_000;

interface Draft {
  text: string;
  audience: Audience;
  key: string;
}

/** Writes to everyone or to the staff. Colour and words say to whom. */
export function Composer({ roomId, sent }: { roomId: string; sent: (message: KnownMessage) => void }) {
  const client = useApolloClient();
  const [audience, setAudience] = useState<Audience>("EVERYONE");
  const [text, setText] = useState("");
  const typed = useRef(0);
  const field = useRef<HTMLTextAreaElement>(null);
  const sending = useRef<Promise<void>>(Promise.resolve());
  const [unsent, setUnsent] = useState<(Draft & { problem: string })[]>([]);

  function writeTo(chosen: Audience) {
    setAudience(chosen);
    field.current?.focus();
  }
  useKeys({ n: () => writeTo("STAFF"), m: () => writeTo("EVERYONE") });

  /** Messages are sent in the order in which they were written. The field is free for the next one at once. */
  function send() {
    if (text.trim() === "") return;
    attempt({ text: text.trim(), audience, key: crypto.randomUUID() });
    setText("");
    typed.current = 0;
  }

  /** An attempt whose answer was lost is not recorded twice: another attempt has the same key. */
  function attempt(draft: Draft) {
    setUnsent((others) => others.filter(({ key }) => key !== draft.key));
    sending.current = sending.current.then(async () => {
      try {
        const { data } = await client.mutate({ mutation: SendMessageDocument, variables: { room: roomId, ...draft } });
        if (data?.sendMessage) sent(data.sendMessage.message as KnownMessage);
      } catch (error) {
        setUnsent((others) => [...others, { ...draft, problem: refusalOf(error).message }]);
      }
    });
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
    send();
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    send();
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
      {unsent.map(({ problem, ...draft }) => (
        <Problem key={draft.key}>
          “{draft.text}” was not sent: {problem}{" "}
          <Button size="compact-xs" variant="default" onClick={() => attempt(draft)}>
            Send again
          </Button>
        </Problem>
      ))}
      <Group justify="space-between" mt="xs">
        <Text size="sm" className={isNote ? "status QUEUED" : "quiet"}>
          {isNote ? "The visitor never sees this." : "The visitor reads this."}
        </Text>
        <Button type="submit" size="xs" disabled={text.trim() === ""}>
          {isNote ? "Add the note" : "Send"}
        </Button>
      </Group>
    </form>
  );
}
