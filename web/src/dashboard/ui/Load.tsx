/** The open rooms of an agent against the limit, as a bar and in words. */
export function Load({ rooms, limit }: { rooms: number; limit: number | null | undefined }) {
  const known = limit !== null && limit !== undefined;
  const share = known ? (limit === 0 ? 100 : Math.min(100, (100 * rooms) / limit)) : 0;
  return (
    <span className="load">
      {known && (
        <span className={`bar ${share >= 100 ? "full" : ""}`} aria-hidden>
          <span style={{ width: `${share}%` }} />
        </span>
      )}
      <span>
        {rooms}
        <span className="quiet">{known ? ` of ${limit}` : ", no limit"}</span>
      </span>
    </span>
  );
}
