/** Short words beside each other: scopes, departments, roles, options. */
export function Words({ words, none = "none" }: { words: readonly string[]; none?: string }) {
  if (words.length === 0) return <span className="quiet">{none}</span>;
  return (
    <span className="words">
      {words.map((word) => (
        <span key={word} className="word">
          {word}
        </span>
      ))}
    </span>
  );
}
