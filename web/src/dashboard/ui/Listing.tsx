import { Button, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Problem } from "../shell/Problem";
import type { LiveRows } from "./useLiveRows";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  numeric?: boolean;
}

/** Fewer rows are counted at a glance. */
const COUNTED = 15;

interface ListingProps<Row> {
  label: string;
  list: LiveRows<Row>;
  columns: Column<Row>[];
  keyOf: (row: Row) => string;
  /** Shown if there is no row: what is to be done next. */
  empty: ReactNode;
  isQuiet?: (row: Row) => boolean;
}

/** A table of rows, the first ones and more on request. On a phone each row is a block of labelled lines. */
export function Listing<Row>({ label, list, columns, keyOf, empty, isQuiet }: ListingProps<Row>) {
  const { rows, totalCount, more, loading, problem } = list;
  if (rows === null) return problem ? <Problem>{problem}</Problem> : <Text className="quiet">Reading …</Text>;
  if (rows.length === 0) return <div className="empty">{empty}</div>;
  return (
    <>
      {problem && <Problem>{problem}</Problem>}
      <table className="listing" role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ title, numeric }) => (
              <th key={title} role="columnheader" scope="col" className={numeric ? "numeric" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row" className={isQuiet?.(row) ? "inactive" : undefined}>
              {columns.map(({ title, cell, numeric }) => (
                <td key={title} role="cell" data-title={title} className={numeric ? "numeric" : undefined}>
                  <div>{cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {(more || rows.length >= COUNTED) && (
        <Group mt="xs" gap="sm">
          {more && (
            <Button variant="default" size="compact-sm" loading={loading} onClick={more}>
              More
            </Button>
          )}
          <Text className="quiet" size="sm">
            {more ? `The first ${rows.length.toLocaleString()}` : `${rows.length.toLocaleString()} in all`}
            {more && totalCount !== null && ` of ${totalCount.toLocaleString()}`}
          </Text>
        </Group>
      )}
    </>
  );
}
