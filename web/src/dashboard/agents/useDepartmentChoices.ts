import { useQuery } from "@apollo/client/react";
import { DepartmentChoicesDocument, type DepartmentChoicesQuery } from "../../gql/graphql";

export type DepartmentChoice = NonNullable<DepartmentChoicesQuery["departments"]>[number];

/** The departments that one can choose from, by name. */
export function useDepartmentChoices(): DepartmentChoice[] {
  const { data } = useQuery(DepartmentChoicesDocument, { fetchPolicy: "cache-and-network", errorPolicy: "all" });
  return [...(data?.departments ?? [])].sort((one, other) => one.name.localeCompare(other.name));
}
