import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApolloProvider } from "@apollo/client/react";
import { connect } from "./client";
import { OpenRooms } from "./OpenRooms";

// A page asks a person for name and password, and gets the token from the mutation `login`.
const client = connect("http://localhost:8000/graphql", "let-me-in");

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ApolloProvider client={client}>
      <OpenRooms />
    </ApolloProvider>
  </StrictMode>,
);
