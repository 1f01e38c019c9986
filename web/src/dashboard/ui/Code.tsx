import { CopyButton } from "./CopyButton";

/** Lines to copy, such as a command. `label` says what they are. */
export function Code({ text, label, wrapped = false }: { text: string; label: string; wrapped?: boolean }) {
  return (
    <div>
      <pre className={wrapped ? "code wrapped" : "code"} tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
      <div className="copy">
        <CopyButton text={text} label={`Copy ${label}`} />
      </div>
    </div>
  );
}
