"""Sends the spans of this process to a collector of OpenTelemetry, if the settings say so.

Where to, and which part of the traces, is read from the environment variables of OpenTelemetry itself, such as
OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from server.process.run import ServingError
from server.settings import Settings
from storage import tracing

SERVICE = "switchboard"
NAME_VARIABLE = "OTEL_SERVICE_NAME"
MISSING = (
    "SWITCHBOARD_TRACES=on needs the packages of OpenTelemetry, which are not installed: install the wheel of "
    "Switchboard with its extra, as  pipx install --force './WHEEL[traces]',  or set SWITCHBOARD_TRACES=off."
)


@contextmanager
def tracing_by(settings: Settings) -> Iterator[None]:
    """Send spans until the block ends. Spans wait in a queue of bounded length, and are dropped beyond it.

    Raises ServingError if the packages of OpenTelemetry are not installed.
    """
    if not settings.traces:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ServingError(MISSING) from None
    name = os.environ.get(NAME_VARIABLE, SERVICE)
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version(SERVICE)}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracing.enable(provider.get_tracer(SERVICE))
    try:
        yield
    finally:
        tracing.enable(None)
        provider.shutdown()
