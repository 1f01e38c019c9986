import { Button, Group, Text } from "@mantine/core";
import { useState } from "react";
import { Problem } from "../shell/Problem";
import { useMay } from "../session/session";
import "./samples.css";
import { useSamples } from "./useSamples";

/** Says that sample data are shown, and removes them. */
export function SampleNotice() {
  return useMay("admin") ? <Notice /> : null;
}

function Notice() {
  const { state, active, problem, remove } = useSamples();
  const [asked, setAsked] = useState(false);
  const interrupted = state !== null && !active && (state.state === "CREATING" || state.state === "REMOVING");
  if (state === null || !(state.state === "READY" || state.state === "REMOVING" || interrupted)) return null;

  async function removeAll() {
    setAsked(false);
    // Lists that show closed rooms of the sample data are read again.
    if (await remove()) location.reload();
  }

  return (
    <div className="samples" role="region" aria-label="Sample data">
      <Group gap="sm">
        <Text size="sm">
          {active ? "The sample data are being removed …" : interrupted ? "Some sample data are left here." : "Sample data are shown here."}
        </Text>
        {!active && !asked && (
          <Button variant="default" size="compact-xs" onClick={() => setAsked(true)}>
            Remove them
          </Button>
        )}
        {!active && asked && (
          <>
            <Text size="sm">Their agents, conversations and departments are deleted.</Text>
            <Button color="red" size="compact-xs" autoFocus onClick={() => void removeAll()}>
              Delete the sample data
            </Button>
            <Button variant="default" size="compact-xs" onClick={() => setAsked(false)}>
              Keep them
            </Button>
          </>
        )}
      </Group>
      {problem && <Problem>{problem}</Problem>}
    </div>
  );
}
