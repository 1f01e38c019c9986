"""Traces: the spans of operations, of resolvers and of MongoDB's commands, and their ids in logs and errors."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id
from typing_extensions import override

from schema.base.errors import from_exception
from server.app import start_services
from server.metrics.process import ProcessMetrics
from server.metrics.request_log import RequestLog
from server.process.run import ServingError
from server.process.tracing import tracing_by
from server.settings import Settings
from storage import tracing
from tests.conftest import ADMIN_TOKEN, served
from tests.databases import emptied
from tests.server.websocket_client import connected, receive, send

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT_SPAN = "b7ad6b7169203331"
HEADERS = {"authorization": f"Bearer {ADMIN_TOKEN}", "traceparent": f"00-{TRACE}-{CLIENT_SPAN}-01"}
CREATE = 'mutation Create { createRole(input: {name: "a secret name"}) { role { name } } }'


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Keeps the spans of this process."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracing.enable(provider.get_tracer("switchboard"))
    yield kept
    tracing.enable(None)
    provider.shutdown()


@pytest.fixture
def lines() -> list[str]:
    """The log of operations."""
    return []


@pytest.fixture
async def traced_url(mongodb_uri: str, exporter: InMemorySpanExporter, lines: list[str]) -> AsyncIterator[str]:
    """A server whose commands are traced, over an empty deployment."""
    settings = Settings(database=emptied(mongodb_uri, "test-services"), admin_token=ADMIN_TOKEN, traces=True)
    metrics = ProcessMetrics(RequestLog(lines.append, json=True))
    async with (
        start_services(mongodb_uri, settings) as (services, _),
        served(services, settings, metrics=metrics) as url,
    ):
        exporter.clear()
        yield url


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return found


def identity(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_spans_of_an_operation_stand_below_the_span_of_its_client(
    traced_url: str, exporter: InMemorySpanExporter, lines: list[str]
) -> None:
    async with httpx.AsyncClient() as client:
        answer = (await client.post(traced_url, json={"query": CREATE}, headers=HEADERS)).json()
    assert answer == {"data": {"createRole": {"role": {"name": "a secret name"}}}}

    operation, resolver = named(exporter, "mutation Create"), named(exporter, "create_role")
    assert operation.kind is SpanKind.SERVER
    assert operation.parent is not None
    assert f"{operation.parent.span_id:016x}" == CLIENT_SPAN
    assert operation.attributes == {
        "graphql.operation.type": "mutation",
        "graphql.operation.name": "Create",
        "switchboard.code": "OK",
    }
    assert resolver.parent is not None
    assert resolver.parent.span_id == identity(operation)
    commands = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]
    assert {"insert roles", "insert outbox", "commitTransaction"} <= {span.name for span in commands}
    assert {span.parent.span_id for span in commands if span.parent} == {identity(resolver)}
    assert {format_trace_id(span.context.trace_id) for span in exporter.get_finished_spans() if span.context} == {TRACE}
    assert "secret" not in "".join(span.to_json() for span in exporter.get_finished_spans())
    assert json.loads(lines[-1])["trace"] == TRACE


async def test_operation_on_a_websocket_has_a_span_and_a_subscription_has_none(
    traced_url: str, exporter: InMemorySpanExporter
) -> None:
    async with connected(traced_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": "subscription Long { events { sequence } }"})
        await send(socket, id="2", type="subscribe", payload={"query": CREATE})
        received = [await receive(socket) for _ in range(3)]
    assert {message["id"] for message in received} == {"1", "2"}
    assert named(exporter, "mutation Create").parent is None
    assert not [span.name for span in exporter.get_finished_spans() if "Long" in span.name]


def test_error_id_of_an_internal_error_is_the_id_of_its_trace(exporter: InMemorySpanExporter) -> None:
    with tracing.operation(HEADERS):
        error = from_exception(RuntimeError("a fault"))
        tracing.describe_operation("query Failing", {}, failed=True)

    assert (error.extensions or {})["errorId"] == TRACE
    assert named(exporter, "query Failing").status.status_code is StatusCode.ERROR


def test_without_tracing_there_are_no_ids() -> None:
    with tracing.operation(HEADERS), tracing.span("resolver"):
        assert tracing.trace_id() is None
        assert len((from_exception(RuntimeError("a fault")).extensions or {})["errorId"]) == 16


def test_missing_packages_are_refused_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with (
        pytest.raises(ServingError, match=r"pipx install --force '\./WHEEL\[traces\]'"),
        tracing_by(Settings(traces=True)),
    ):
        pass
    assert not tracing.is_enabled()


def test_spans_are_sent_to_the_collector_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, ExportTraceServiceRequest]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        with tracing_by(Settings(traces=True)), tracing.span("sent"):
            pass
        collector.shutdown()

    ((path, request),) = received
    assert path == "/v1/traces"
    (resource,) = request.resource_spans
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["sent"]
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"] == "switchboard"
