"""Values of collected metrics."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric


def value_of(metrics: Iterable[Metric], name: str, /, **labels: str) -> float | None:
    """The sum of the samples of this name that have these labels; None if there is none."""
    found = [
        sample.value
        for metric in metrics
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None
