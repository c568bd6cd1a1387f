"""Traces: what a collector receives over HTTP from a worker that has done its jobs."""

from __future__ import annotations

import http.server
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.buckets import bucket
from spoolfarm.spool.job import Job
from tests.support.thread_workers import settings, working

__all__ = ["settings"]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Collector(http.server.ThreadingHTTPServer):
    """Takes traces on a free port."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: list[Span] = []
        self.service: set[str] = set()

    def of(self, job: Job) -> dict[str, Span]:
        """The spans of one job by name, the whole attempt as `job`."""
        attempt = next(span for span in self.spans if attributes(span).get("spoolfarm.job") == job.id)
        below = {span.name: span for span in self.spans if span.parent_span_id == attempt.span_id}
        return {"job": attempt, **below}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted."""

    server: Collector

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
            self.server.service |= {each.value.string_value for each in resource.resource.attributes}
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def traced(settings: Settings, collector: Collector) -> Iterator[Farm]:
    farm = Farm(settings=replace(settings, traces=f"http://127.0.0.1:{collector.server_port}/"))
    yield farm
    farm.close()


def tried_before(farm: Farm, job: Job) -> float:
    """Queue *job* as it is after an attempt was lost; when that was."""
    farm.put(job)
    place = bucket(farm.spool.queue, job.task, job.priority, job.id).path
    os.rename(f"{place}/{job.id}.a0", f"{place}/{job.id}.a1")
    lost = time.time()
    farm.results.write_log(job.id, log="attempt 1 ended", attempt={"attempt": 1, "ended": lost})
    return lost


def test_attempts_are_traced_from_the_queue_to_the_publication(traced: Farm, collector: Collector) -> None:
    asked = {"traceparent": TRACEPARENT, "request_id": "mine", "source": "http", "durable": True}
    good, bad, again, alone = (
        Job("echo", **asked),
        Job("fails", **asked),
        Job("echo", created=time.time() - 50, **asked),
        Job("echo", durable=True),
    )
    for job in (good, bad, alone):
        traced.put(job)
    lost = tried_before(traced, again)
    with working(traced):
        for job in (good, bad, again, alone):
            assert traced.results.wait(job.id, 30)

    spans = collector.of(good)
    assert spans.keys() == {"job", "queue", "run", "publish"}
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert spans["job"].parent_span_id.hex() == PARENT
    assert (
        attributes(spans["job"]).items() >= {"spoolfarm.request_id": "mine", "spoolfarm.outcome": "succeeded"}.items()
    )
    assert attributes(spans["job"])["spoolfarm.attempt"] == 1
    order = ["queue", "run", "publish"]
    times = [(spans[name].start_time_unix_nano, spans[name].end_time_unix_nano) for name in order]
    assert [end for _, end in times[:2]] == [start for start, _ in times[1:]]
    assert times[0][0] == pytest.approx(good.created * 1e9, abs=1000)
    assert spans["job"].end_time_unix_nano >= times[-1][1]

    spans = collector.of(bad)
    assert (spans["job"].status.code, spans["job"].status.message) == (2, "LookupError: nothing there")
    assert attributes(spans["job"])["error.type"] == "task_error"

    spans = collector.of(again)
    assert spans["job"].trace_id.hex() != TRACE, "a retry is a trace of its own"
    assert not spans["job"].parent_span_id
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in spans["job"].links] == [(TRACE, PARENT)]
    assert spans["queue"].start_time_unix_nano == pytest.approx(lost * 1e9, abs=1000)
    assert {span.trace_id for span in spans.values()} == {spans["job"].trace_id}

    spans = collector.of(alone)
    assert not spans["job"].links
    assert not spans["job"].parent_span_id
    assert "spoolfarm" in collector.service


def test_what_its_submitter_does_not_sample_is_not_sent(traced: Farm, collector: Collector) -> None:
    job = Job("echo", traceparent=f"00-{TRACE}-{PARENT}-00", durable=True)
    traced.put(job)
    with working(traced):
        assert traced.results.wait(job.id, 30)
    assert collector.spans == []


def test_a_worker_without_the_extra_says_so_and_works(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    farm = Farm(settings=replace(settings, traces="http://127.0.0.1:9"))
    with working(farm), caplog.at_level(logging.WARNING):
        assert farm.call("echo")["bytes"] == 0
    assert "pip install 'spoolfarm[otel]'" in caplog.text
    farm.close()
