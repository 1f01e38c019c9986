import "graphiql/setup-workers/vite";
import { GraphiQL } from "graphiql";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import "graphiql/style.css";
import "./graphiql.css";
import { exampleTabs } from "./examples";
import { fetcher } from "./fetcher";
import { defaultHeaders, readToken } from "./headers";
import { TokenBar } from "./TokenBar";
import { storedToken } from "../shared/token";

const tabs = exampleTabs(defaultHeaders());

function Page() {
  const [token, setToken] = useState(storedToken);
  return (
    <>
      <TokenBar token={token} />
      <main className="editor">
        <GraphiQL
          fetcher={fetcher}
          defaultTabs={tabs}
          defaultHeaders={defaultHeaders()}
          defaultEditorToolsVisibility="headers"
          onEditHeaders={(text) => setToken(readToken(text))}
          inputValueDeprecation
          schemaDescription
        >
          <GraphiQL.Logo>Switchboard</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
