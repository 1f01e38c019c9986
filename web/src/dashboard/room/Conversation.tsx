import { Button, Paper, Text, Title } from "@mantine/core";
import { useLayoutEffect, useRef, useState } from "react";
import { useMay } from "../session/session";
import { Problem } from "../shell/Problem";
import { Composer } from "./Composer";
import { Message } from "./Message";
import type { LogState } from "./useLog";
import type { KnownMessage, RoomDetails } from "./useRoom";
import { useTyping } from "./useTyping";

const NEAR_PIXELS = 60;

/** The messages of a room, and the composer for messages and notes. */
export function Conversation({ room, messages }: { room: RoomDetails; messages: LogState<KnownMessage> }) {
  const mayRead = useMay("messages:read");
  const maySend = useMay("messages:write");
  const { entries, hasEarlier, reading, earlier } = messages;
  const typing = useTyping(room.id);
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const fromEnd = useRef(0);
  const [below, setBelow] = useState(false);
  const last = entries.at(-1)?.id;
  const first = entries[0]?.id;

  // Earlier messages leave what is visible where it is. New ones are shown to whoever is at the end.
  useLayoutEffect(() => {
    const { current } = box;
    if (current) current.scrollTop = atEnd.current ? current.scrollHeight : current.scrollHeight - fromEnd.current;
  }, [first]);
  useLayoutEffect(() => {
    const { current } = box;
    if (current && atEnd.current) current.scrollTop = current.scrollHeight;
    else if (last !== undefined) setBelow(true);
  }, [last, typing]);

  function scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    fromEnd.current = scrollHeight - scrollTop;
    atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_PIXELS;
    if (atEnd.current) setBelow(false);
    if (scrollTop < NEAR_PIXELS && !atEnd.current && hasEarlier && !reading) void earlier();
  }

  return (
    <Paper withBorder p="sm" component="section" aria-labelledby="conversation" data-part="conversation" className="conversation">
      <Title order={2} size="h5" id="conversation">
        Conversation
      </Title>
      <div ref={box} className="messages" role="log" aria-label="Messages" tabIndex={0} onScroll={scrolled}>
        {hasEarlier && (
          <Button size="compact-xs" variant="default" loading={reading} onClick={() => void earlier()}>
            Earlier messages
          </Button>
        )}
        {!mayRead && <Text className="quiet">This token may not read messages.</Text>}
        {mayRead && entries.length === 0 && !reading && <Text className="quiet">There is no message yet.</Text>}
        {entries.map((message, index) => (
          <Message key={message.id} message={message} before={entries[index - 1]} chosen={chosenIn(entries, message.id)} />
        ))}
        {typing && (
          <Text size="sm" className="quiet">
            {typing} is typing …
          </Text>
        )}
      </div>
      {below && (
        <Button size="compact-xs" className="to-end" onClick={() => (box.current!.scrollTop = box.current!.scrollHeight)}>
          New messages ↓
        </Button>
      )}
      {messages.problem && <Problem>{messages.problem}</Problem>}
      {maySend && room.status !== "CLOSED" && <Composer key={room.id} roomId={room.id} sent={messages.put} />}
    </Paper>
  );
}

/** The ids of the choices of a message that later messages chose. */
function chosenIn(messages: KnownMessage[], id: string): string[] {
  return messages.flatMap(({ choice }) => (choice?.messageId === id ? [choice.choiceId] : []));
}
