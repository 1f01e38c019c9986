import { MantineProvider } from "@mantine/core";
import "@mantine/core/styles.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { page } from "../shared/page";
import "./dashboard.css";
import "./ui/ui.css";
import { Dashboard } from "./Dashboard";
import { theme } from "./theme";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      {/* A text field whose value is in the link loses letters if the link changes in a transition. */}
      <BrowserRouter basename={page.base || "/"} useTransitions={false}>
        <Dashboard />
      </BrowserRouter>
    </MantineProvider>
  </StrictMode>,
);
