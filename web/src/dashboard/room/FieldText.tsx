import { Anchor } from "@mantine/core";
import type { ReactNode } from "react";
import type { FieldType } from "../../gql/graphql";
import { valueText } from "../rooms/columns";

/** The value of a custom field. An address of another system is a link to it. */
export function FieldText({ value, type }: { value: unknown; type?: FieldType }): ReactNode {
  const text = valueText(value, type);
  return /^https?:\/\/\S+$/i.test(text) ? (
    <Anchor href={text} target="_blank" rel="noreferrer" inherit>
      {text}
    </Anchor>
  ) : (
    text
  );
}
