"""`/metrics` keeps Prometheus' rules, and the alerts and the dashboard ask for nothing that it does not tell."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from spoolfarm.server.current import FARM
from spoolfarm.spool.counts import ending
from spoolfarm.spool.lease import Lease, new_worker_id
from tests.support.running_farm import ROOT
from tests.unit.server.conftest import Make

ALERTS, BOARD, PAGE = (ROOT / name for name in ("deploy/alerts.yml", "deploy/grafana.json", "docs/monitoring.md"))
#: Labels that Prometheus adds.
ADDED = {"instance", "job", "le"}
#: The names that outsiders have always been able to rely on.
ALWAYS = {
    "farm_jobs_queued",
    "farm_jobs_running",
    "farm_dead_letters",
    "farm_workers_ready",
    "farm_spool_free_bytes",
    "farm_http_requests_total",
    "farm_http_request_seconds_bucket",
}


@pytest.fixture(scope="module")
def shown(make: Make) -> Iterator[str]:
    """The metrics of a farm in which everything has happened once."""
    front: FlaskClient = make()
    front.post("/v1/jobs", json={"task": "echo"})
    counts = front.application.extensions[FARM].spool.counts
    record = {"task": "echo", "status": "succeeded", "source": "http", "created": 1.0, "started": 1.5, "finished": 3.0}
    counts.add(ending(record))
    counts.add({("lost", "echo", "killed"): 1.0, ("restarts", "general", "killed"): 2.0})
    spool = front.application.extensions[FARM].spool
    lease = Lease.take(spool.workers, spool.active, new_worker_id())
    lease.announce({"pid": 1, "tasks": ["echo"], "node": "10.0.0.2"})
    yield front.get("/metrics").text
    lease.end()


@pytest.fixture(scope="module")
def labels(shown: str) -> Mapping[str, set[str]]:
    """The labels of each sample by its name."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(shown):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> Iterator[str]:
    """What alerts and dashboard ask of Prometheus."""
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    board = json.loads(BOARD.read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])
    yield from (each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query")


def asked(text: str) -> set[str]:
    return set(re.findall(r"\bfarm_\w+", text))


def test_names_and_units_follow_the_rules_of_prometheus(shown: str) -> None:
    families = {family.name: family for family in text_string_to_metric_families(shown) if family.name[:5] == "farm_"}
    assert families
    for name, family in families.items():
        assert re.fullmatch(r"farm(_[a-z]+)+", name), name
        assert family.documentation, name
        assert not name.endswith(("_ms", "_milliseconds", "_mb", "_count", "_sum", "_bucket")), name
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)
        for sample in family.samples:
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels), sample


def test_what_jobs_were_counted_is_told_as_counters_and_histograms(shown: str) -> None:
    assert 'farm_jobs_total{outcome="succeeded",source="http",task="echo"} 1.0' in shown
    assert 'farm_job_attempts_lost_total{reason="killed",task="echo"} 1.0' in shown
    assert 'farm_worker_restarts_total{lane="general",reason="killed"} 2.0' in shown
    for bound, value in (("0.25", 0), ("0.5", 1), ("+Inf", 1)):
        assert f'farm_job_wait_seconds_bucket{{le="{bound}",task="echo"}} {value}.0' in shown
    assert 'farm_job_wait_seconds_count{task="echo"} 1.0' in shown
    assert 'farm_job_run_seconds_sum{task="echo"} 1.5' in shown
    assert re.search(r'farm_build_info{python="3\.\d+\.\d+\S*",version="\d\S*"} 1\.0', shown)
    assert 'farm_node_workers{node="10.0.0.2"} 1.0' in shown
    oldest = re.search(r'farm_queue_oldest_seconds{task="echo"} (\S+)', shown)
    assert oldest
    assert 0 < float(oldest[1]) < 60
    assert 'farm_queue_oldest_seconds{task="ocr"} 0.0' in shown, "a task that nobody waits for has a value, too"


def test_the_names_of_old_are_still_there(labels: Mapping[str, set[str]]) -> None:
    assert labels.keys() >= ALWAYS - {"farm_http_requests_total", "farm_http_request_seconds_bucket"}


def test_alerts_and_dashboard_ask_for_what_there_is(labels: Mapping[str, set[str]]) -> None:
    there = labels.keys() | ALWAYS
    said = list(expressions())
    assert len(said) > 20
    for text in said:
        assert asked(text) <= there, text
        names = asked(text)
        known = ADDED.union(*(labels.get(name, set()) for name in names), {"face", "status"})
        selected = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)", text)
        grouped = [name for each in re.findall(r"\bby \(([^)]*)\)", text) for name in re.split(r",\s*", each)]
        assert {*selected, *grouped} <= known, text


def test_the_page_tells_every_name_and_no_other(shown: str) -> None:
    page = PAGE.read_text()
    families = {family.name for family in text_string_to_metric_families(shown) if family.name.startswith("farm_")}
    families -= {name for name in families if name.endswith("_created")}
    counters = {name.removesuffix("_total") for name in asked(page)}
    assert families <= counters, families - counters
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in counters} <= families | {"farm_http_requests"}


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    for rule in group["rules"]:
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["alert"] in PAGE.read_text()


def promtool(*words: str, data: str = "") -> str:
    done = subprocess.run(["promtool", *words], input=data, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_to_say_of_the_metrics(shown: str) -> None:
    ours = [line for line in shown.splitlines() if "farm_" in line]
    assert promtool("check", "metrics", data="\n".join([*ours, ""])) == ""


FAILING = """
rule_files: [{rules}]
tests:
  - interval: 1m
    input_series:
      - series: farm_jobs_total{{task="ocr", outcome="failed", source="http", instance="a"}}
        values: 0+3x40
      - series: farm_jobs_total{{task="ocr", outcome="succeeded", source="http", instance="a"}}
        values: 0+7x40
      - series: farm_jobs_total{{task="echo", outcome="succeeded", source="http", instance="a"}}
        values: 0+7x40
    alert_rule_test:
      - alertname: FarmJobsFail
        eval_time: 35m
        exp_alerts:
          - exp_labels: {{severity: warning, task: ocr, instance: a}}
            exp_annotations:
              summary: 30% of ocr fail
              description: The log has a line for each with its code (FARM_LOG=json).
      - alertname: FarmQueueWaits
        eval_time: 35m
        exp_alerts: []
"""


@pytest.mark.needs("promtool")
def test_promtool_knows_the_rules_and_the_right_one_fires(tmp_path: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", str(ALERTS))
    scene = tmp_path / "scene.yml"
    scene.write_text(FAILING.format(rules=ALERTS))
    assert "SUCCESS" in promtool("test", "rules", str(scene))
