/** What the server writes into the page. */
interface PageSettings {
  /** The path under which the server serves everything; empty if it is the root. */
  base: string;
  chat: boolean;
  graphiql: boolean;
}

const DEFAULTS: PageSettings = { base: "", chat: true, graphiql: true };

function readSettings(): PageSettings {
  const content = document.querySelector<HTMLMetaElement>("meta[name=switchboard]")?.content ?? "{}";
  return { ...DEFAULTS, ...(JSON.parse(content) as Partial<PageSettings>) };
}

export const page = readSettings();

/** The address of the API for HTTP requests. */
export const apiUrl = `${location.origin}${page.base}/graphql`;

/** The address of the API for websockets. */
export const socketUrl = apiUrl.replace(/^http/, "ws");
