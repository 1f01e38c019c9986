import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "urql";
import { connect } from "./client";
import { OpenRooms } from "./OpenRooms";

// A page asks a person for name and password, and gets the token from the mutation `login`.
const client = connect("http://localhost:8000/graphql", "let-me-in");

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Provider value={client}>
      <OpenRooms />
    </Provider>
  </StrictMode>,
);
