"""`/metrics`: the farm in Prometheus' text format; the queue is counted on request."""

from __future__ import annotations

import time
from collections import Counter as Count
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from platform import python_version

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from spoolfarm.farm.farm import Farm
from spoolfarm.farm.figures import Figures
from spoolfarm.farm.totals import Totals
from spoolfarm.server.endpoint import Endpoint

#: Where the start of a request is recorded, by time.perf_counter().
STARTED = "farm.started"
#: Seconds: from a quick response to a long wait.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)


class Meter:
    """Counts requests, and reads the rest from the spool."""

    def __init__(self, farm: Farm) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(SpoolCollector(farm))
        self._requests = Counter(
            "farm_http_requests", "Requests answered.", ["face", "status"], registry=self._registry
        )
        #: The counter and the histogram of each endpoint and status: finding them by labels costs more than counting.
        self._rows: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._seconds = Histogram(
            "farm_http_request_seconds", "From request to answer.", ["face"], buckets=BUCKETS, registry=self._registry
        )

    def blueprint(self) -> Blueprint:
        """The endpoint itself."""
        made = Blueprint("metrics", __name__)
        made.add_url_rule("/metrics", "metrics", self._show)
        return made

    def count(self, response: Response) -> None:
        """Count the request whose response this is."""
        asked = request._get_current_object()  # type: ignore[attr-defined]
        rule = asked.url_rule
        key = (rule.rule if rule else "unknown", response.status_code)
        if key not in self._rows:
            self._rows[key] = self._requests.labels(*key), self._seconds.labels(key[0])
        requests, seconds = self._rows[key]
        requests.inc()
        seconds.observe(time.perf_counter() - asked.environ[STARTED])

    def _show(self) -> Response:
        """Figures in Prometheus' text format."""
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)


class SpoolCollector(Collector):
    """The spool as it is now, and all that has been done so far, whoever asked for it."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges, and then what only grows."""
        done = self._farm.totals()
        yield from self._gauges(done.oldest)
        yield from _counters(done)
        about = {"version": version("spoolfarm"), "python": python_version()}
        build = GaugeMetricFamily("farm_build_info", "What runs here; always 1.", labels=list(about))
        build.add_metric(list(about.values()), 1)
        yield build

    def _gauges(self, oldest: Mapping[str, float]) -> Iterator[Metric]:
        figures = self._farm.figures()
        queued = GaugeMetricFamily("farm_jobs_queued", "Jobs that wait for a worker.", labels=["task"])
        for task, count in figures.queued.items():
            queued.add_metric([task], count)
        yield queued
        waiting = GaugeMetricFamily(
            "farm_queue_oldest_seconds", "How long the first job of the queue has been there.", labels=["task"]
        )
        for task, seconds in {**dict.fromkeys(self._farm.tasks.names(), 0.0), **oldest}.items():
            waiting.add_metric([task], seconds)
        yield waiting
        paused = GaugeMetricFamily("farm_task_paused", "1 while the jobs of the task wait on purpose.", labels=["task"])
        for task in self._farm.tasks.names():
            paused.add_metric([task], self._farm.pauses.on(task))
        yield paused
        yield GaugeMetricFamily("farm_jobs_running", "Jobs that a worker has.", value=figures.running)
        yield GaugeMetricFamily("farm_dead_letters", "Jobs that failed for good.", value=figures.dead)
        yield GaugeMetricFamily("farm_workers_ready", "Workers that can take a job.", value=len(figures.workers))
        yield from _of_nodes(figures)
        free = figures.free_bytes
        yield GaugeMetricFamily("farm_spool_free_bytes", "Free space on the spool's disk.", value=free)


def _of_nodes(figures: Figures) -> Iterator[Metric]:
    """On a cluster: what the workers have on each node."""
    workers = GaugeMetricFamily("farm_node_workers", "Workers whose jobs run on the node.", labels=["node"])
    for node, number in Count(str(each["node"]) for each in figures.workers if "node" in each).items():
        workers.add_metric([node], number)
    yield workers


def _counters(done: Totals) -> Iterator[Metric]:
    jobs = CounterMetricFamily("farm_jobs", "Jobs that have ended.", labels=["task", "outcome", "source"])
    lost = CounterMetricFamily(
        "farm_job_attempts_lost", "Attempts that ended with their worker.", labels=["task", "reason"]
    )
    restarts = CounterMetricFamily(
        "farm_worker_restarts", "Workers started in the place of others.", labels=["lane", "reason"]
    )
    for family, counted in ((jobs, done.jobs), (lost, done.lost), (restarts, done.restarts)):
        for labels, value in counted.items():
            family.add_metric(labels, value)
        yield family
    wait = HistogramMetricFamily("farm_job_wait_seconds", "From a job's submission to its claim.", labels=["task"])
    run = HistogramMetricFamily("farm_job_run_seconds", "From a job's claim to its end.", labels=["task"])
    for histogram, observed in ((wait, done.wait), (run, done.run)):
        for task, each in observed.items():
            histogram.add_metric([task], each.buckets, each.sum)
        yield histogram


ENDPOINTS = {"metrics.metrics": Endpoint(responses={200: "text/plain"}, tag="operation")}
