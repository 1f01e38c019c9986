import "graphiql/setup-workers/vite";
import { GraphiQL } from "graphiql";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import "graphiql/style.css";
import "./graphiql.css";
import { page } from "../shared/page";
import { storedToken } from "../shared/token";
import { chosenExample, exampleTabs } from "./examples";
import { fetcher } from "./fetcher";
import { defaultHeaders, readToken } from "./headers";
import { applyChosenTheme, ThemeSync } from "./ThemeSync";
import { TokenBar } from "./TokenBar";

applyChosenTheme();
const chosen = chosenExample(location.hash);
const tabs = exampleTabs(defaultHeaders(), chosen);

function Page() {
  const [token, setToken] = useState(storedToken);
  return (
    <>
      <TokenBar token={token} give={setToken} />
      <main className="editor">
        <GraphiQL
          fetcher={fetcher}
          defaultTabs={tabs}
          initialQuery={chosen?.query}
          initialVariables={chosen?.variables}
          defaultHeaders={defaultHeaders()}
          defaultEditorToolsVisibility="headers"
          onEditHeaders={(text) => setToken(readToken(text))}
          inputValueDeprecation
          schemaDescription
        >
          <GraphiQL.Logo>
            <ThemeSync />
            <h1>
              <a href={`${page.base}/`} title="The dashboard">
                Switchboard
              </a>
            </h1>
          </GraphiQL.Logo>
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
