import { useQuery } from "@apollo/client/react";
import { RoleNamesDocument, type RoleNamesQuery } from "../../gql/graphql";

export type RoleName = NonNullable<RoleNamesQuery["roles"]>[number];

/** The roles by name. */
export function useRoleNames(): RoleName[] {
  const { data } = useQuery(RoleNamesDocument, { fetchPolicy: "cache-and-network", errorPolicy: "all" });
  return [...(data?.roles ?? [])].sort((one, other) => one.name.localeCompare(other.name));
}
