import { useState } from "react";
import { isAbout, refusalsOf, type Refusal } from "../client/refusal";

export interface Action {
  working: boolean;
  /** Runs the action. Returns whether it succeeded. */
  run: (action: () => Promise<unknown>) => Promise<boolean>;
  /** The problem to show at the input with this name. */
  at: (input: string) => string | undefined;
  /** The problems that are about no input of the form. */
  others: string[];
  reset: () => void;
}

/**
 * An action of the user, and why it was refused.
 *
 * `inputs` are the names of the inputs that show their own problems, `inputOf` the inputs that codes of errors are about.
 */
export function useAction(inputs: string[] = [], inputOf: Record<string, string> = {}): Action {
  const [working, setWorking] = useState(false);
  const [problems, setProblems] = useState<Refusal[]>([]);

  async function run(action: () => Promise<unknown>): Promise<boolean> {
    setWorking(true);
    setProblems([]);
    try {
      await action();
      return true;
    } catch (error) {
      setProblems(refusalsOf(error, inputOf));
      return false;
    } finally {
      setWorking(false);
    }
  }

  return {
    working,
    run,
    at: (input) => problems.find((problem) => isAbout(problem, input))?.message,
    others: problems
      .filter((problem) => !inputs.some((input) => isAbout(problem, input)))
      .map(({ key, message }) => (key && !message.includes(key) ? `${key}: ${message}` : message)),
    reset: () => setProblems([]),
  };
}
