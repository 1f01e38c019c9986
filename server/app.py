"""The web application: which address leads where, and what its process has for all requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute

from resolvers import apps
from resolvers.auth.login_throttle import LoginThrottle
from resolvers.context import RoutingSettings, Services
from resolvers.services import open_services
from schema.schema import schema
from server.graphql.endpoint import GraphQLEndpoint
from server.graphql.security_headers import middleware
from server.settings import Settings
from storage import tokens
from storage.errors import Unavailable
from storage.runtime import Storage

READY_SECONDS = 2.0
#: A process writes a heartbeat twice a second. Without one for so long, it cannot serve changes.
WRITE_SECONDS = 5.0
NO_WRITES = (
    "MongoDB answers, but takes no writes: unlock it if it is locked (db.fsyncUnlock()), "
    "and free space if its disk is full"
)


@asynccontextmanager
async def start_services(uri: str, settings: Settings) -> AsyncIterator[tuple[Services, str | None]]:
    """What a process serves from, and the admin token when it was made up just now."""
    async with Storage.open(uri, settings.database) as storage:
        admin_token = await apps.ensure_admin(storage, settings.admin_token)
        routing = RoutingSettings(settings.routing, settings.route_bots_first)
        retention = timedelta(days=settings.event_retention_days)
        made_up = frozenset({tokens.digest(settings.admin_token)} if settings.admin_token else ())
        async with open_services(
            storage,
            routing=routing,
            retention=retention,
            login_throttle=LoginThrottle(settings.sign_in_attempts),
            configured_tokens=made_up,
        ) as services:
            yield services, admin_token


def create_app(opened: Services, settings: Settings | None = None) -> Starlette:
    """The application over services that are open already, and are closed by whoever opened them."""
    settings = settings or Settings()
    graphql = GraphQLEndpoint(schema, opened, settings)
    routes: list[BaseRoute] = [
        Route("/", home),
        *both(Route, "/graphql", graphql),
        *both(WebSocketRoute, "/graphql", graphql),
        *both(Route, "/health/live", live),
        *both(Route, "/health/ready", ready),
    ]
    if settings.base_path:
        inner = Router(routes, redirect_slashes=False)
        routes = [Route(settings.base_path, home), Mount(settings.base_path, inner)]
    app = Starlette(routes=routes, middleware=middleware(settings.allowed_origins))
    app.router.redirect_slashes = False
    app.state.services = opened
    app.state.home = f"{settings.base_path}/graphql"
    app.state.drain = graphql.shutdown
    return app


def both(kind: type[Route | WebSocketRoute], path: str, endpoint: Any) -> list[BaseRoute]:
    """The path with a slash at its end and without.

    A redirect from one to the other would name the scheme that the proxy speaks to this process, not the client's.
    """
    return [kind(path, endpoint), kind(f"{path}/", endpoint)]


async def home(request: Request) -> Response:
    return RedirectResponse(request.app.state.home)


async def live(request: Request) -> Response:
    """That this process answers at all."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """That it can serve: MongoDB answers, and no background task fails that a process cannot serve without.

    What else is wrong with the process is in `problems`, with status 200.
    """
    opened: Services = request.app.state.services
    try:
        async with asyncio.timeout(READY_SECONDS):
            await opened.storage.database.ping()
    except (Unavailable, TimeoutError):
        return JSONResponse({"status": "unavailable", "reason": "MongoDB does not answer"}, status_code=503)
    if opened.storage.process.seconds_without_write > WRITE_SECONDS:
        return JSONResponse({"status": "unavailable", "reason": NO_WRITES}, status_code=503)
    failures = opened.storage.supervisor.failures()
    problems: list[dict[str, object]] = [
        {
            "problem": "background task fails",
            "task": one.name,
            "error": one.error,
            "failures": one.count,
            "since": one.since.isoformat(timespec="seconds"),
        }
        for one in failures
    ]
    problems += [
        {"problem": "records cannot be decoded by this version", "collection": collection, "records": count}
        for collection, count in opened.storage.database.undecodable.counts.items()
    ]
    if (ahead := opened.storage.database.clock.difference) is not None:
        problems.append({"problem": "clock differs from the database's", "seconds": round(ahead.total_seconds(), 1)})
    if stopped := [one.name for one in failures if one.prevents_serving]:
        reason = f"background task fails: {', '.join(stopped)}"
        return JSONResponse({"status": "unavailable", "reason": reason, "problems": problems}, status_code=503)
    return JSONResponse({"status": "degraded", "problems": problems} if problems else {"status": "ok"})
