"""Families of metrics: gauges by label, and the metrics of several processes as one list."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample


def one_label(values: dict[str, int]) -> Iterator[tuple[tuple[str], int]]:
    return (((name,), value) for name, value in values.items())


def gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"switchboard_{name}", meaning, value)


def gauges(name: str, meaning: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"switchboard_{name}", meaning, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family


def merge(
    processes: dict[str, list[Metric]], deployment: Sequence[Metric], workers: Sequence[str] | None = None
) -> list[Metric]:
    """One list of metrics: those of each process with the label `worker`, then those of the deployment."""
    merged: dict[str, Metric] = {}
    for worker, metrics in processes.items():
        for metric in metrics:
            family = merged.get(metric.name)
            if family is None:
                family = merged[metric.name] = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            family.samples += [labelled(sample, worker) for sample in metric.samples]
    up = (((worker,), int(worker in processes)) for worker in (processes if workers is None else workers))
    return [gauges("worker_up", "Whether the worker answers.", ("worker",), up), *merged.values(), *deployment]


def labelled(sample: Sample, worker: str) -> Sample:
    return sample._replace(labels={**sample.labels, "worker": worker})
