import { createContext, useContext } from "react";
import type { CountGroup } from "../client/hooks";

/** The open rooms by status, which the navigation counts on every page. Null until they are known. */
export const OpenCountsContext = createContext<CountGroup[] | null>(null);

export function useOpenCounts(): CountGroup[] | null {
  return useContext(OpenCountsContext);
}

export const OPEN = { status: ["QUEUED" as const, "ASSIGNED" as const, "ON_HOLD" as const] };
