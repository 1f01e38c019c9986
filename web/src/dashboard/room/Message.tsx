import { exact } from "../rooms/status";
import type { KnownMessage } from "./useRoom";

interface MessageProps {
  message: KnownMessage;
  before: KnownMessage | undefined;
  /** The ids of its choices that the reader has chosen. */
  chosen: string[];
}

/** A message: who wrote it, for whom, and what. */
export function Message({ message, before, chosen }: MessageProps) {
  const { sender, audience, sentAt, text, redactedAt, editedAt, choices, choice, attachments } = message;
  const day = new Date(sentAt).toDateString();
  const isNote = audience === "STAFF";
  return (
    <>
      {before && new Date(before.sentAt).toDateString() !== day && <p className="day">{day}</p>}
      <article className={`message ${sender.type} ${audience}`}>
        <p className="message-head">
          <strong>{sender.name ?? sender.type.toLowerCase()}</strong>
          {isNote && <span className="note-mark">note for staff</span>}
          <time className="quiet" dateTime={sentAt} title={exact(sentAt)}>
            {new Date(sentAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
          </time>
        </p>
        <p>
          {redactedAt ? <em>This message was removed.</em> : text}
          {editedAt && !redactedAt && <small className="quiet"> (edited)</small>}
        </p>
        {choice && <p className="quiet">Chosen: {choice.label}</p>}
        {choices.length > 0 && (
          <ul className="choices" aria-label="Choices">
            {choices.map(({ id, label }) => (
              <li key={id} className={chosen.includes(id) ? "chosen" : ""}>
                {label}
                {chosen.includes(id) && " ✓"}
              </li>
            ))}
          </ul>
        )}
        {attachments.map(({ name, url, mimeType, bytes }) => (
          <p key={url}>
            <a href={/^https?:/i.test(url) ? url : undefined} target="_blank" rel="noreferrer">
              {name}
            </a>{" "}
            <small className="quiet">
              {mimeType}
              {bytes !== null && bytes !== undefined && `, ${Math.ceil(bytes / 1_000).toLocaleString()} kB`}
            </small>
          </p>
        ))}
      </article>
    </>
  );
}
