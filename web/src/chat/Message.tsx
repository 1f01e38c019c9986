import type { Line } from "./conversation";

interface MessageProps {
  line: Line;
  /** The id of the choice that was chosen, if one was. */
  chosen: string | undefined;
  open: boolean;
  choose: (choice: { id: string; label: string }) => void;
}

export function Message({ line, chosen, open, choose }: MessageProps) {
  const mine = line.sender.type === "VISITOR";
  return (
    <article className={mine ? "line mine" : "line"}>
      <p className="who">
        {mine ? "You" : (line.sender.name ?? "We")}
        <time dateTime={line.sentAt} title={new Date(line.sentAt).toLocaleString()}>
          {new Date(line.sentAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
        </time>
      </p>
      <div className="bubble">
        {line.redactedAt ? <em>This message was removed.</em> : line.text}
        {line.editedAt && !line.redactedAt && <small> (edited)</small>}
        {line.attachments.map(({ name, url }) => (
          <a key={url} href={safeUrl(url)} target="_blank" rel="noreferrer">
            {name}
          </a>
        ))}
      </div>
      {line.choices.length > 0 && (
        <div className="choices" role="group" aria-label="Answers">
          {line.choices.map(({ id, label, url }) =>
            url ? (
              <a key={id} href={safeUrl(url)} target="_blank" rel="noreferrer">
                {label}
              </a>
            ) : (
              <button
                key={id}
                type="button"
                aria-pressed={chosen === id}
                disabled={!open || chosen !== undefined}
                onClick={() => choose({ id, label })}
              >
                {label}
              </button>
            ),
          )}
        </div>
      )}
    </article>
  );
}

/** The address of a link, unless it would run a script. */
function safeUrl(url: string): string | undefined {
  return /^https?:/i.test(url) ? url : undefined;
}
