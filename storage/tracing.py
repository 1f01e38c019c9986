"""Traces by OpenTelemetry: spans of operations, of resolvers and of MongoDB's commands. Off until `enable` is called.

OpenTelemetry is an extra (`traces`), so nothing here imports it before `enable`. A span has names and codes, and no
values: documents and variables have personal data.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from typing_extensions import override

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")

_OFF: Final = nullcontext()
_tracer: "Tracer | None" = None


def enable(tracer: "Tracer | None") -> None:
    """Send the spans of this process to that tracer; to none if it is None."""
    global _tracer
    _tracer = tracer


def is_enabled() -> bool:
    return _tracer is not None


def span(name: str) -> AbstractContextManager[object]:
    """A span below the current one, until the block ends."""
    if _tracer is None:
        return _OFF
    return _tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)


def operation(headers: Mapping[str, str]) -> AbstractContextManager[object]:
    """The span of one operation, below the span of the client that its `traceparent` names, until the block ends."""
    return _OFF if _tracer is None else _operation(_tracer, headers)


@contextmanager
def _operation(tracer: "Tracer", headers: Mapping[str, str]) -> Iterator[None]:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract(headers)
    with tracer.start_as_current_span(
        "operation", context=parent, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ):
        yield


def continued(work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """The same work, below the current span also where it runs as a task with a context of its own."""
    return work if _tracer is None else _continued(work)


def _continued(work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    from opentelemetry.trace import get_current_span, use_span

    above = get_current_span()

    async def run() -> T:
        with use_span(above, record_exception=False, set_status_on_exception=False):
            return await work

    return run()


def current() -> Callable[[], AbstractContextManager[object]]:
    """What makes the span that is current now the current one of another task."""
    if _tracer is None:
        return lambda: _OFF
    from opentelemetry.trace import get_current_span, use_span

    return partial(use_span, get_current_span(), record_exception=False, set_status_on_exception=False)


def describe_operation(name: str, attributes: Mapping[str, str], *, failed: bool) -> None:
    """Give the current span this name, and these attributes. It is an error if the operation failed inside."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    current = get_current_span()
    current.update_name(name)
    current.set_attributes(attributes)
    if failed:
        current.set_status(Status(StatusCode.ERROR))


def trace_id() -> str | None:
    """The id of the current trace, as 32 hexadecimal digits; None outside of one."""
    if _tracer is None:
        return None
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


class CommandSpans(CommandListener):
    """Makes a span of each command that the driver sends for a traced operation.

    Background tasks, and reads that several operations share, have no span above them, and are left out.
    """

    def __init__(self) -> None:
        self._open: dict[int, Span] = {}

    @override
    def started(self, event: CommandStartedEvent) -> None:
        if _tracer is None:
            return
        from opentelemetry.trace import SpanKind, get_current_span

        if not get_current_span().get_span_context().is_valid:
            return
        collection = event.command.get(event.command_name)
        attributes = {
            "db.system.name": "mongodb",
            "db.namespace": event.database_name,
            "db.operation.name": event.command_name,
        }
        name = event.command_name
        if isinstance(collection, str):
            attributes["db.collection.name"] = collection
            name = f"{name} {collection}"
        self._open[event.request_id] = _tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    @override
    def succeeded(self, event: CommandSucceededEvent) -> None:
        if opened := self._open.pop(event.request_id, None):
            opened.end()

    @override
    def failed(self, event: CommandFailedEvent) -> None:
        if opened := self._open.pop(event.request_id, None):
            from opentelemetry.trace import Status, StatusCode

            opened.set_attribute("error.type", str(event.failure.get("code", "unknown")))
            opened.set_status(Status(StatusCode.ERROR))
            opened.end()
