import { ApolloProvider } from "@apollo/client/react";
import { lazy, useCallback, useEffect, useMemo, useState } from "react";
import { Route, Routes } from "react-router";
import { storedToken, storeToken } from "../shared/token";
import { connect, type Api } from "./client/client";
import { Feed } from "./client/feed";
import { ApiContext } from "./client/hooks";
import { Samples } from "./client/samples";
import { LivePage } from "./live/LivePage";
import { RoomPage } from "./room/RoomPage";
import { RoomsPage } from "./rooms/RoomsPage";
import { EmptyDeployment } from "./samples/EmptyDeployment";
import { SignIn } from "./session/SignIn";
import { readViewer, SessionContext, type Viewer } from "./session/session";
import { Shell } from "./shell/Shell";

// Scripts of their own, so that the first page stays small.
const AgentsPage = lazy(async () => ({ default: (await import("./agents/AgentsPage")).AgentsPage }));
const AppsPage = lazy(async () => ({ default: (await import("./apps/AppsPage")).AppsPage }));
const DepartmentsPage = lazy(async () => ({ default: (await import("./departments/DepartmentsPage")).DepartmentsPage }));
const FieldsPage = lazy(async () => ({ default: (await import("./fields/FieldsPage")).FieldsPage }));
const RolesPage = lazy(async () => ({ default: (await import("./roles/RolesPage")).RolesPage }));
const UsersPage = lazy(async () => ({ default: (await import("./users/UsersPage")).UsersPage }));

export function Dashboard() {
  const [token, setToken] = useState(storedToken);
  const [ended, setEnded] = useState(false);

  const begin = useCallback((given: string) => {
    storeToken(given);
    setEnded(false);
    setToken(given);
  }, []);
  const end = useCallback((byServer: boolean) => {
    storeToken(null);
    setEnded(byServer);
    setToken(null);
  }, []);

  if (token === null) return <SignIn begin={begin} ended={ended} />;
  return <SignedIn key={token} token={token} end={end} />;
}

function SignedIn({ token, end }: { token: string; end: (byServer: boolean) => void }) {
  const [api, setApi] = useState<Api | null>(null);
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const feed = useMemo(() => new Feed(), []);
  const samples = useMemo(() => new Samples(), []);
  useEffect(() => {
    const opened = connect(token, () => end(true));
    setApi(opened);
    readViewer(opened.client).then(
      (found) => (found === null ? end(true) : setViewer(found)),
      () => end(true),
    );
    return () => opened.close();
  }, [token, end]);
  useEffect(() => {
    if (api === null || !viewer?.scopes.includes("events:read")) return;
    feed.start(api).catch(() => undefined);
    return () => feed.stop();
  }, [api, feed, viewer]);

  if (api === null || viewer === null) return <p className="quiet">Signing in …</p>;
  return (
    <ApolloProvider client={api.client}>
      <ApiContext value={api}>
        <SessionContext value={{ viewer, feed, samples, signOut: () => end(false) }}>
          <Routes>
            <Route element={<Shell />}>
              <Route
                index
                element={
                  <>
                    <EmptyDeployment />
                    <LivePage />
                  </>
                }
              />
              <Route path="rooms" element={<RoomsPage />} />
              <Route path="rooms/:id" element={<RoomPage />} />
              <Route path="agents" element={<AgentsPage />} />
              <Route path="departments" element={<DepartmentsPage />} />
              <Route path="fields" element={<FieldsPage />} />
              <Route path="roles" element={<RolesPage />} />
              <Route path="users" element={<UsersPage />} />
              <Route path="apps" element={<AppsPage />} />
            </Route>
          </Routes>
        </SessionContext>
      </ApiContext>
    </ApolloProvider>
  );
}
