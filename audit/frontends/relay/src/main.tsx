import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { RelayEnvironmentProvider } from "react-relay";
import { connect } from "./environment";
import { OpenRooms } from "./OpenRooms";

// A page asks a person for name and password, and gets the token from the mutation `login`.
const environment = connect("http://localhost:8000/graphql", "let-me-in");

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <RelayEnvironmentProvider environment={environment}>
      <Suspense fallback="Loading ...">
        <OpenRooms />
      </Suspense>
    </RelayEnvironmentProvider>
  </StrictMode>,
);
