"""The responses of pages and of their assets."""

import html
import json
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response

from server.pages.built import CODINGS, Asset, BuiltPages, read_built_pages
from server.pages.chat_sessions import serves_chat
from server.pages.policy import IMMUTABLE, NOTICE_POLICY, PAGE_POLICY, SCRIPT_POLICY
from server.settings import Settings

SETTINGS_MARK = '<meta name="switchboard" content="{}"'
#: The place of the assets in a page that is built for any base path.
ASSETS_MARK = '"./assets/'
#: The paths of the dashboard below its own, whose script shows a page for each.
DASHBOARD_PATHS = (
    "/rooms",
    "/rooms/{id}",
    "/agents",
    "/departments",
    "/users",
    "/roles",
    "/fields",
    "/apps",
)
NOTICE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Switchboard: no pages</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 45rem; padding: 0 1rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
</style>
<h1>The API is served, but this page is not built</h1>
<p>Programs can use the API at <code>API</code> as always. To build the pages, run <code>make pages</code> in the
folder of Switchboard's sources, and start the server again. It needs the npm registry, once.</p>
<h2>What is the matter</h2>
<pre>PROBLEM</pre>
</html>
"""


class PageResponses:
    """The responses of one server, with its settings in the pages."""

    def __init__(self, settings: Settings, built: BuiltPages | None = None) -> None:
        self._built = read_built_pages() if built is None else built
        base = settings.base_path
        self._graphql = f"{base}/graphql"
        shown = {"base": base, "graphiql": settings.introspection, "chat": serves_chat(settings)}
        content = html.escape(json.dumps(shown))
        self._pages = {
            name: text.replace(ASSETS_MARK, f'"{base}/assets/').replace(
                SETTINGS_MARK, f'<meta name="switchboard" content="{content}"'
            )
            for name, text in self._built.pages.items()
        }
        self._notice = NOTICE.replace("API", html.escape(self._graphql), 1).replace(
            "PROBLEM", html.escape(self._built.problem)
        )

    @property
    def problem(self) -> str:
        """Why the pages are not current; empty if they are."""
        return self._built.problem

    def page(self, name: str) -> Response:
        """The page, or a notice with the status 503 that says why it is not built."""
        if name not in self._pages:
            headers = {"content-security-policy": NOTICE_POLICY}
            return HTMLResponse(self._notice, HTTPStatus.SERVICE_UNAVAILABLE, headers)
        return HTMLResponse(self._pages[name], headers={"content-security-policy": PAGE_POLICY})

    def endpoint(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a route that serves the page."""

        async def serve(request: Request) -> Response:
            return self.page(name)

        return serve

    async def dashboard(self, request: Request) -> Response:
        """The dashboard for browsers. Programs are redirected to the API."""
        if "text/html" in request.headers.get("accept", ""):
            return self.page("index")
        return RedirectResponse(self._graphql)

    async def asset(self, request: Request) -> Response:
        """The file with the name in the path, in the best content coding that the client accepts."""
        asset = self._built.assets.get(request.path_params["name"])
        # `make pages` beside a running server replaces the files.
        if asset is None or not asset.file.exists():
            return PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)
        return asset_response(asset, request.headers.getlist("accept-encoding"))


def asset_response(asset: Asset, accept_encoding: Iterable[str]) -> Response:
    accepted = accepted_codings(",".join(accept_encoding))
    coding = next((one for one in CODINGS if one in accepted and one in asset.compressed), None)
    headers = {"cache-control": IMMUTABLE, "content-security-policy": SCRIPT_POLICY, "vary": "accept-encoding"}
    if coding is None:
        return FileResponse(asset.file, headers=headers, media_type=asset.media_type)
    return FileResponse(
        asset.compressed[coding], headers=headers | {"content-encoding": coding}, media_type=asset.media_type
    )


def accepted_codings(header: str) -> set[str]:
    """The content codings of an Accept-Encoding header, without those of quality 0."""
    accepted = set()
    for part in header.lower().split(","):
        name, _, parameters = part.partition(";")
        if parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(name.strip())
    return accepted
