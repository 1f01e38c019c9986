import { useQuery } from "@apollo/client/react";
import { useMemo } from "react";
import { AgentNamesDocument, DepartmentNamesDocument, RoomFieldDefinitionsDocument, type RoomFilter } from "../../../gql/graphql";
import { useApi, useNow } from "../../client/hooks";
import { useMay } from "../../session/session";
import { useLinkState } from "../../ui/useLinkState";
import { conditionOf, Misread, type Known } from "./conditions";
import { printTerms, readTerms, type Term } from "./terms";

const MINUTE = 60_000;

export interface Filter {
  text: string;
  terms: Term[];
  /** The problem of each term that is no condition. */
  problems: Map<Term, string>;
  /** The conditions of the terms. Null until the names in them are known. */
  where: RoomFilter | null;
  known: Known;
  /** Whether `known.fields` are all the fields. */
  knowsFields: boolean;
  setText: (text: string) => void;
  setTerms: (terms: Term[]) => void;
}

/** The filter in the link, as `filter=department:Billing tag:vip`. */
export function useFilter(): Filter {
  const link = useLinkState();
  const text = link.get("filter");
  const mayReadUsers = useMay("users:read");
  const departments = useQuery(DepartmentNamesDocument, { skip: !mayReadUsers });
  const agents = useQuery(AgentNamesDocument, { skip: !mayReadUsers });
  const fields = useQuery(RoomFieldDefinitionsDocument);
  const known = useMemo<Known>(
    () => ({
      departments: departments.data?.departments ?? [],
      agents: agents.data?.agents?.nodes ?? [],
      fields: fields.data?.customFieldDefinitions ?? [],
    }),
    [departments.data, agents.data, fields.data],
  );
  const terms = useMemo(() => readTerms(text), [text]);
  const ready = terms.length === 0 || (!departments.loading && !agents.loading && !fields.loading);
  // Only terms such as waiting:>10m depend on the time. They are read again each minute.
  const now = useNow();
  const minute = terms.some(({ name }) => name === "waiting") ? Math.floor(now / MINUTE) : 0;
  const { clock } = useApi();
  const [where, problems] = useMemo(() => {
    const found = new Map<Term, string>();
    const filters: RoomFilter[] = [];
    for (const term of terms)
      try {
        filters.push(conditionOf(term, known, minute * MINUTE || clock.now()));
      } catch (error) {
        if (!(error instanceof Misread)) throw error;
        found.set(term, error.message);
      }
    return [filters.length > 0 ? { and: filters } : {}, found] as const;
  }, [terms, known, minute, clock]);

  const setText = (changed: string) => link.set({ filter: changed.trim() === "" ? "" : changed });

  return { text, terms, problems, where: ready ? where : null, known, knowsFields: !fields.loading, setText, setTerms: (changed) => setText(printTerms(changed)) };
}
