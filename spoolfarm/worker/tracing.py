"""Tracing: each attempt of a job as a span, with its time in the queue, its run and its publication below it.

The first attempt is a child of the span that submitted the job, as its `traceparent` names it. A later one begins a
trace of its own with a link to that span: whoever waits for the first trace to end is not to wait for the retries. This
is the only file that knows OpenTelemetry, and it is imported by a worker of its own, after the fork: exporting takes a
thread, which no fork would survive.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spoolfarm.spool.job import Result, State
from spoolfarm.spool.jobfile import Claim

log = logging.getLogger("spoolfarm.worker")

#: Where a collector of OTLP over HTTP takes traces, below its address.
PATH = "/v1/traces"
#: Seconds that a collector gets to take some spans, retries included; a worker that ends waits so long at most.
PATIENCE = 2.0

#: What tells which attempts of a job were lost: see `Result.lost`.
Lost = Callable[[str], Sequence[Mapping[str, Any]]]


def begin(address: str, wid: str, lost: Lost) -> Tracer | None:
    """A tracer of the worker *wid* that sends spans to the collector at *address*; None when nothing can send them."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return Tracer(OTLPSpanExporter(endpoint=address.rstrip("/") + PATH, timeout=PATIENCE), wid, lost)
    except ImportError as error:
        log.warning("FARM_TRACES is set, but no traces can be sent: pip install 'spoolfarm[otel]' (%s)", error)
        return None


class Tracer:
    """Makes the spans of one worker, and has them exported by a thread of its own."""

    def __init__(self, exporter: Any, wid: str, lost: Lost) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        about = Resource.create({"service.name": "spoolfarm", "service.instance.id": wid})
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("spoolfarm")
        self._lost = lost

    def begin(self, batch: Sequence[Claim]) -> RunTrace:
        """The spans of jobs that are about to run together."""
        return RunTrace(self._tracer, batch, self._lost)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class RunTrace:
    """The spans of jobs that run together, one attempt each."""

    def __init__(self, tracer: Any, batch: Sequence[Claim], lost: Lost) -> None:
        from opentelemetry import context, trace

        self._tracer = tracer
        self._attempts: dict[str, tuple[Any, Any]] = {}
        for claim in batch:
            attempt = _attempt(tracer, claim, lost)
            run = tracer.start_span("run", trace.set_span_in_context(attempt), start_time=_ns(claim.started))
            self._attempts[claim.job.id] = attempt, run
        self._ran = 0
        #: A span of the task's own belongs to the run, if there is only one.
        self._token = context.attach(trace.set_span_in_context(run)) if len(batch) == 1 else None

    def ran(self) -> None:
        """The task has come back."""
        from opentelemetry import context

        self._ran = _ns(time.time())
        for _, run in self._attempts.values():
            run.end(self._ran)
        if self._token is not None:
            context.detach(self._token)

    def ended(self, claim: Claim, result: Result | None) -> None:
        """The job of *claim* has ended with *result*; None: it was given back."""
        from opentelemetry import trace

        attempt, _ = self._attempts[claim.job.id]
        publish = self._tracer.start_span("publish", trace.set_span_in_context(attempt), start_time=self._ran)
        publish.end()
        attempt.set_attribute("spoolfarm.outcome", str(result.status) if result else "given back")
        if result is not None and result.status is State.FAILED:
            attempt.set_status(trace.Status(trace.StatusCode.ERROR, result.error))
            attempt.set_attribute("error.type", result.code or "")
        attempt.end()


def _attempt(tracer: Any, claim: Claim, lost: Lost) -> Any:
    """The span of one attempt, begun, with its time in the queue below it."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    job = claim.job
    parent = TraceContextTextMapPropagator().extract({"traceparent": job.traceparent} if job.traceparent else {})
    links: list[Any] = []
    queued = job.created
    if job.attempts > 1:
        asked = trace.get_current_span(parent).get_span_context()
        links = [trace.Link(asked)] if asked.is_valid else []
        parent = type(parent)()
        queued = min(claim.started, next((each["ended"] for each in reversed(lost(job.id))), claim.started))
    about = {
        "spoolfarm.job": job.id,
        "spoolfarm.task": job.task,
        "spoolfarm.source": job.source,
        "spoolfarm.request_id": job.request_id,
        "spoolfarm.attempt": job.attempts,
    }
    attempt = tracer.start_span(
        f"job {job.task}",
        parent,
        kind=trace.SpanKind.CONSUMER,
        attributes=about,
        links=links,
        start_time=_ns(queued),
    )
    waited = tracer.start_span("queue", trace.set_span_in_context(attempt), start_time=_ns(queued))
    waited.end(_ns(claim.started))
    return attempt


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
