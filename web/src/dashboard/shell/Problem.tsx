import type { ReactNode } from "react";

/** Why something did not work, at the place where it was tried. Screen readers announce it. */
export function Problem({ children }: { children: ReactNode }) {
  return (
    <p role="alert" className="problem">
      {children}
    </p>
  );
}
