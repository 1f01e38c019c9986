"""The web application: its routes and the services of its process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute

from resolvers import apps
from resolvers.auth.login_throttle import LoginThrottle
from resolvers.context import RoutingSettings, Services
from resolvers.services import open_services
from resolvers.signal_hub import SignalHub
from resolvers.webhook_addresses import AddressPolicy
from schema.schema import schema
from server.auth.rate_limits import MIN_HANDSHAKES
from server.graphql.application import Application
from server.graphql.document_limits import limits_of
from server.graphql.endpoint import CONNECTION_INIT_SECONDS, GraphQLEndpoint
from server.graphql.security_headers import middleware
from server.health import WRITE_SECONDS, report_liveness, report_readiness, report_version
from server.metrics.process import ProcessGauges, ProcessMetrics
from server.pages.built import BuiltPages
from server.pages.chat_sessions import ChatSessions, serves_chat
from server.pages.responses import DASHBOARD_PATHS, PageResponses
from server.pages.samples import METHODS as SAMPLE_METHODS
from server.pages.samples import SampleData
from server.settings import Settings
from server.shutdown import Shutdown
from server.webhooks.dispatcher import delivering
from server.webhooks.sender import Sender
from storage import tokens, tracing
from storage.runtime import Storage


@asynccontextmanager
async def start_services(uri: str, settings: Settings) -> AsyncIterator[tuple[Services, str | None]]:
    """The services of a process, and the admin token if this call created it."""
    listeners = (tracing.CommandSpans(),) if settings.traces else ()
    async with Storage.open(uri, settings.database, listeners=listeners) as storage:
        admin_token = await apps.ensure_admin(storage, settings.admin_token)
        routing = RoutingSettings(
            settings.routing,
            settings.route_bots_first,
            when_agent_gone=settings.when_agent_gone,
            agent_gone_after_seconds=settings.agent_gone_after_seconds,
            external_timeout_seconds=settings.external_timeout_seconds,
            fallback=settings.fallback_routing,
        )
        retention = timedelta(days=settings.event_retention_days)
        policy = AddressPolicy.of(settings.webhook_networks)
        configured = frozenset({tokens.digest(settings.admin_token)} if settings.admin_token else ())
        async with (
            open_services(
                storage,
                routing=routing,
                retention=retention,
                login_throttle=LoginThrottle(settings.sign_in_attempts),
                signal_hub=SignalHub(
                    storage, caller_rate=settings.signal_rate_per_caller, room_rate=settings.signal_rate_per_room
                ),
                configured_tokens=configured,
                visitor_open_rooms=settings.visitor_open_rooms,
                webhook_policy=policy,
            ) as services,
            delivering(services, Sender(policy), limits=limits_of(settings)),
        ):
            yield services, admin_token


def create_app(
    services: Services,
    settings: Settings | None = None,
    *,
    built: BuiltPages | None = None,
    shutdown: Shutdown | None = None,
    connection_init_seconds: float = CONNECTION_INIT_SECONDS,
    min_handshakes: int = MIN_HANDSHAKES,
    write_seconds: float = WRITE_SECONDS,
    metrics: ProcessMetrics | None = None,
) -> Starlette:
    """The application over open services. The caller closes the services.

    `built` are the pages to serve, those of `make pages` by default.
    """
    settings = settings or Settings()
    shutdown = shutdown or Shutdown()
    pages = PageResponses(settings, built)
    metrics = metrics or ProcessMetrics()
    endpoint = GraphQLEndpoint(
        schema,
        services,
        settings,
        graphiql=partial(pages.page, "graphiql"),
        shutdown=shutdown,
        connection_init_seconds=connection_init_seconds,
        min_handshakes=min_handshakes,
        operations=metrics.operations,
    )
    gauges = ProcessGauges(
        services,
        endpoint.cohorts,
        websockets=lambda: endpoint.rate_limits.websockets,
        cached_callers=lambda: endpoint.caller_cache.size,
    )
    metrics.registry.register(gauges)
    routes: list[BaseRoute] = [
        # First: the routes are matched in this order for each request.
        *with_and_without_slash(Route, "/graphql", endpoint),
        *with_and_without_slash(WebSocketRoute, "/graphql", endpoint),
        Route("/", pages.dashboard),
        *(route for path in DASHBOARD_PATHS for route in with_and_without_slash(Route, path, pages.dashboard)),
        Route("/assets/{name}", pages.asset),
        Route("/samples", SampleData(services).answer, methods=SAMPLE_METHODS),
        *with_and_without_slash(Route, "/health/live", report_liveness),
        *with_and_without_slash(Route, "/health/ready", report_readiness),
        *with_and_without_slash(Route, "/version", report_version),
    ]
    if serves_chat(settings):
        routes += [
            *with_and_without_slash(Route, "/chat", pages.endpoint("chat")),
            Route("/chat/session", ChatSessions(services).create, methods=["POST"]),
        ]
    if settings.base_path:
        inner = Router(routes, redirect_slashes=False)
        routes = [Route(settings.base_path, pages.dashboard), Mount(settings.base_path, inner)]
    app = Application(
        endpoint,
        paths=frozenset(f"{settings.base_path}/graphql{slash}" for slash in ("", "/")),
        routes=routes,
        middleware=middleware(settings.allowed_origins),
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.metrics = metrics
    app.state.shutdown = shutdown
    app.state.write_seconds = write_seconds
    return app


def with_and_without_slash(kind: type[Route | WebSocketRoute], path: str, endpoint: Any) -> list[BaseRoute]:
    """Routes for the path with and without a trailing slash.

    A redirect from one to the other would name the scheme between the proxy and this process, not the client's.
    """
    return [kind(path, endpoint), kind(f"{path}/", endpoint)]
