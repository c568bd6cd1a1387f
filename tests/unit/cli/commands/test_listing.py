"""`spoolfarm jobs`, `logs` and `tasks`: which jobs there are, what one of them said, and what the farm can do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from spoolfarm.cli.main import main
from spoolfarm.farm.farm import Farm
from tests.support.command_tasks import fail
from tests.support.running_farm import until


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> list[str]:
    """The lines that a command prints."""
    assert main(words) == status
    return capsys.readouterr().out.splitlines()


def test_jobs_are_listed_by_what_one_asks_for(farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Invoice 7.png").write_bytes(b"x")
    (dead,) = fail(farm)
    (queued,) = said(capsys, "submit", "page", str(tmp_path / "Invoice 7.png"), "-p", "text=x")
    assert [line.split()[0] for line in said(capsys, "jobs")] == [queued, dead]
    (line,) = said(capsys, "jobs", "--name", "invoice", "--source", "cli")
    assert line.startswith(f"{queued}  queued     page  ")
    assert line.endswith("  Invoice 7.png")
    (line,) = said(capsys, "jobs", "--status", "failed", "--error", "LUCK")
    assert line.endswith("  no luck")
    assert said(capsys, "jobs", "--since", "0s") == said(capsys, "jobs", "--until", "1h") == []
    assert len(said(capsys, "jobs", "--since", "1h", "--until", "0s")) == 2
    assert len(said(capsys, "jobs", "--limit", "1", "--id", dead[:8])) == 1
    (line,) = said(capsys, "jobs", "--task", "echo", "--json")
    assert json.loads(line) == farm.record(dead)


@pytest.mark.usefixtures("worker")
def test_the_log_of_a_job_is_printed_and_followed(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    job = farm.submit("page")
    until(lambda: job.status() == "failed")
    assert said(capsys, "logs", job.id) == []
    farm.results.write_log(job.id, log="half a page")
    farm.results.write_log(job.id, progress=0.5)
    assert [line.partition("  ")[2] for line in said(capsys, "logs", job.id)] == ["half a page", "50%"]
    lines = said(capsys, "logs", job.id, "--follow", status=1)
    assert lines[0].endswith("  half a page")
    assert lines[-1].startswith(f"{job.id}  failed  ")
    assert lines[-1].endswith("  ValueError: the page is empty")
    assert json.loads(said(capsys, "logs", job.id, "--json")[0])["log"] == "half a page"
    good = farm.submit("page", text="x")
    assert said(capsys, "logs", good.id, "-f")[-1].startswith(f"{good.id}  succeeded  page  ")


def test_a_job_that_is_unknown_has_no_log(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["logs", "0" * 24], ["logs", "0" * 24, "--follow"]):
        assert main(words) == 1
        assert capsys.readouterr().err.startswith(f"spoolfarm: no job '{'0' * 24}'")


def test_the_tasks_are_listed_with_what_keeps_them_from_working(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    farm.spool.disabled.note("page", "no paper")
    with FileLock(f"{farm.spool.root}/launcher.lock"):
        lines = said(capsys, "tasks")
    assert lines[0].startswith("echo  waits for a worker  ")
    assert lines[-1] == "page  disabled: no paper"
    first = json.loads(said(capsys, "tasks", "--json")[0])
    assert (first["name"], first["state"], "properties" in first["params"]) == ("echo", "waits for a worker", True)
