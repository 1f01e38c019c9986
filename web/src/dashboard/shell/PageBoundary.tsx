import { Button, Stack, Text } from "@mantine/core";
import { Component, Suspense, type ReactNode } from "react";
import { Problem } from "./Problem";

/** Waits for the script of a page, and says so if the page fails, instead of leaving the window empty. */
export class PageBoundary extends Component<{ children: ReactNode }, { failure: string | null }> {
  override state = { failure: null };

  static getDerivedStateFromError(error: unknown): { failure: string } {
    return { failure: error instanceof Error ? error.message : String(error) };
  }

  override render(): ReactNode {
    if (this.state.failure === null)
      return <Suspense fallback={<Text className="quiet">Reading the page …</Text>}>{this.props.children}</Suspense>;
    return (
      <Stack align="start">
        <Problem>This page cannot be shown: {this.state.failure}</Problem>
        <Text>The server may be away, or have newer pages than this window.</Text>
        <Button onClick={() => location.reload()}>Load the page again</Button>
      </Stack>
    );
  }
}
