"""Where jobs run, in the workers or on a Ray cluster: the same jobs, kills and limits, with the same ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from spoolfarm.errors import JobCancelled, JobFailed
from spoolfarm.farm.farm import FarmJob
from tests.support import cluster_tasks
from tests.support.ray_cluster import RayCluster
from tests.support.running_farm import ROOT, RunningFarm, until

#: Seconds that a job may take here.
LIMIT = 6
SETTINGS = {
    "FARM_ENABLE": "echo,speaks,dies,deaf,splits",
    "FARM_TASKS": cluster_tasks.PATHS,
    "FARM_WORKERS": "2-3",
    "FARM_JOB_TIMEOUT": LIMIT,
    "FARM_MAX_ATTEMPTS": 2,
    "FARM_SIMULATIONS": 0,
    "FARM_DOCUMENTS": 0,
}
BOTH = pytest.mark.parametrize("where", ["local", "ray"], indirect=True)
#: What the doctor does.
EXAMINE = """
from spoolfarm import config
from spoolfarm.cli.cluster import cluster
for finding in cluster(config.load()):
    print(finding.level, finding.what)
"""
#: Runs when Python starts on a node where spoolfarm is of another version.
ANOTHER = """
from importlib import metadata
installed = metadata.version
metadata.version = lambda name: "99" if name == "spoolfarm" else installed(name)
"""
#: What a task gets for its bytes.
BYTES = b"0123456789" * 1000


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster that is not started yet."""
    with tempfile.TemporaryDirectory(
        prefix="ray", ignore_cleanup_errors=True
    ) as home:  # short, for the paths of sockets
        made = RayCluster(Path(home))
        yield made
        made.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm whose workers run their jobs."""
    farm = RunningFarm(tmp_path_factory.mktemp("local"), **SETTINGS).start()
    yield farm
    farm.stop()


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory, cluster: RayCluster) -> Iterator[RunningFarm]:
    """A farm whose cluster is not there yet."""
    ray = {"FARM_EXECUTOR": "ray", "FARM_RAY_ADDRESS": cluster.address, **cluster.key}
    farm = RunningFarm(tmp_path_factory.mktemp("ray"), **SETTINGS, **ray).start(ready=False)
    yield farm
    farm.stop()
    assert until(lambda: not cluster.actors(), what="the actors to end")


@pytest.fixture(scope="module")
def early(away: RunningFarm) -> FarmJob:
    """A job that was submitted while the cluster was away, which the farm has noticed."""
    until(lambda: "no Ray head answers" in away.log())
    until(lambda: away.get("/health")[0] == 200)
    assert away.get("/ready")[0] == 503
    return away.farm.submit("echo", number=1)


@pytest.fixture(scope="module")
def ray(away: RunningFarm, early: FarmJob, cluster: RayCluster) -> RunningFarm:
    """A farm whose jobs run on the cluster, which was started after it."""
    cluster.start(cpus=3)
    until(lambda: len(away.workers()) == 2, 60, what=f"the workers: {away.log()}")
    return away


@pytest.fixture
def where(request: pytest.FixtureRequest) -> RunningFarm:
    """The farm with that executor."""
    farm: RunningFarm = request.getfixturevalue(request.param)
    return farm


def running(farm: RunningFarm, job: FarmJob) -> dict[str, Any]:
    """The worker that runs *job*, as it announced itself, once it has begun."""
    until(lambda: (job.record()["progress"] or 0) > 0, what=f"progress: {farm.log()}")
    [at_work] = [each for each in farm.farm.running() if each["id"] == job.id]
    [worker] = [each for each in farm.farm.workers() if each["worker"] == at_work["worker"]]
    return worker


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_job_waits_for_the_cluster_and_nothing_is_lost(ray: RunningFarm, early: FarmJob) -> None:
    assert early.wait(20) == {"params": {"number": 1}, "bytes": 0}
    assert ray.get("/ready")[0] == 200
    assert ray.log().count("no Ray head answers") == 2  # a line a worker, however long it waited


@BOTH
def test_a_job_gets_bytes_and_gives_files(where: RunningFarm) -> None:
    job = where.farm.submit("speaks", BYTES)
    assert job.wait(20)["bytes"] == len(BYTES)
    assert job.record()["files"] == ["large", "small"]
    assert (job.file("small"), job.file("large")) == (b"s", BYTES * 1000)


@BOTH
def test_progress_and_log_are_there_while_the_job_runs(where: RunningFarm, tmp_path: Path) -> None:
    job = where.farm.submit("speaks", until=str(tmp_path / "go"))
    running(where, job)
    assert job.record()["progress"] == 0.25
    assert [line["log"] for line in where.farm.log(job.id) if "log" in line] == ["one line"]
    (tmp_path / "go").touch()
    job.wait(20)


@BOTH
@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("refuse", "broken_image", "no picture"),
        ("fail", "task_error", "Odd: it went wrong"),
        ("nothing", "task_error", "TypeError: the task's result is nothing JSON can say: "),
    ],
)
def test_a_job_that_fails_says_the_same_everywhere(where: RunningFarm, how: str, code: str, said: str) -> None:
    job = where.farm.submit("speaks", **{how: True})
    with pytest.raises(JobFailed) as caught:
        job.wait(20)
    assert (caught.value.code, str(caught.value)[: len(said)]) == (code, said)
    details = caught.value.record["details"]
    assert details == {"page": 7} if how == "refuse" else said in details["traceback"]
    assert how != "fail" or "cluster_tasks.py" in details["traceback"]


@BOTH
def test_a_running_job_hears_that_it_is_cancelled(where: RunningFarm, tmp_path: Path) -> None:
    job = where.farm.submit("speaks", until=str(tmp_path / "never"))
    worker = running(where, job)
    assert job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(20)
    assert worker["worker"] in [each["worker"] for each in where.farm.workers()]  # nobody had to be killed


@BOTH
def test_a_job_that_speaks_all_the_time_hears_that_it_is_cancelled(where: RunningFarm) -> None:
    job = where.farm.submit("echo", seconds=LIMIT - 1)
    worker = running(where, job)
    assert job.cancel()
    with pytest.raises(JobCancelled):
        job.wait(20)
    assert worker["worker"] in [each["worker"] for each in where.farm.workers()]


@BOTH
def test_a_job_past_its_time_limit_takes_its_process_along(where: RunningFarm, tmp_path: Path) -> None:
    job = where.farm.submit("deaf", note=str(tmp_path / "pid"))
    with pytest.raises(JobFailed, match=f"killed after {LIMIT} s"):
        job.wait(30)
    until(lambda: not lives(int((tmp_path / "pid").read_text())), what="the process of the job to end")


@BOTH
def test_a_job_that_kills_its_process_each_time_becomes_a_dead_letter(where: RunningFarm, tmp_path: Path) -> None:
    job = where.farm.submit("dies", note=str(tmp_path / "pids"))
    other = where.farm.submit("echo", number=2)
    with pytest.raises(JobFailed, match="the worker died in every one of 2 attempts") as caught:
        job.wait(40)
    assert caught.value.code == "worker_died"
    assert [each["attempt"] for each in caught.value.record["lost"]] == [1, 2]
    until(lambda: job.id in where.farm.dead_letters())
    assert other.wait(20)["params"] == {"number": 2}
    started = list(map(int, (tmp_path / "pids").read_text().split()))
    assert len(started) == 2
    until(lambda: not any(map(lives, started)), what="what the job had started to end")


@BOTH
def test_a_worker_that_is_killed_takes_its_job_nowhere(where: RunningFarm, tmp_path: Path) -> None:
    job = where.farm.submit("speaks", BYTES, until=str(tmp_path / "go"))
    worker = running(where, job)
    os.kill(worker["pid"], signal.SIGKILL)
    until(lambda: not lives(worker.get("actor_pid", worker["pid"])), what="the process of the job to end")
    (tmp_path / "go").touch()
    assert job.wait(30)["bytes"] == len(BYTES)
    assert job.record()["attempts"] == 2


@BOTH
def test_a_task_with_parts_runs_in_the_worker_and_its_parts_where_all_jobs_do(where: RunningFarm) -> None:
    told = where.farm.submit("splits", BYTES).wait(20)
    assert told["pid"] in where.workers()
    assert [part["bytes"] for part in told["parts"]] == [len(BYTES)] * 3
    places = {worker.get("actor_pid", worker["pid"]) for worker in where.farm.workers()}
    assert {part["pid"] for part in told["parts"]} <= places


@BOTH
def test_a_worker_comes_while_jobs_wait(where: RunningFarm) -> None:
    jobs = [where.farm.submit("echo", seconds=2) for _ in range(8)]  # who died before may still be on its way back
    until(lambda: len(where.workers()) == 3, what=f"the third worker: {where.log()}")
    assert [job.wait(20)["bytes"] for job in jobs] == [0] * 8


def test_a_farm_on_a_cluster_says_where_its_jobs_run(ray: RunningFarm, tmp_path: Path) -> None:
    job = ray.farm.submit("speaks", BYTES, until=str(tmp_path / "go"))
    node = running(ray, job)["node"]
    [at_work] = ray.farm.running()
    assert at_work["node"] == node
    assert sum(ray.get("/ready")[1]["nodes"].values()) == len(ray.workers())
    examined = subprocess.run([sys.executable, "-c", EXAMINE], env={**os.environ, **ray.given}, cwd=ROOT, stdout=PIPE)
    assert re.search(
        rf"^ok .*: 1 node, \S+ \(CPU 3\)\nok .* \d on {re.escape(node)}$", examined.stdout.decode().strip()
    )
    (tmp_path / "go").touch()
    job.wait(20)


def test_where_jobs_run_in_the_workers_no_process_loads_anything_of_ray(local: RunningFarm) -> None:
    assert local.farm.submit("echo").wait(20)["bytes"] == 0
    for pid in [local.launcher, *local.processes()]:
        with contextlib.suppress(FileNotFoundError):
            loaded = Path(f"/proc/{pid}/maps").read_text()
            assert "_raylet" not in loaded
            assert "/grpc/" not in loaded


def test_a_node_with_another_version_of_the_farm_is_told_once_and_gets_no_job(
    ray: RunningFarm, cluster: RayCluster, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ANOTHER)
    raylet = cluster.add(cpus=1, PYTHONPATH=str(tmp_path))
    ray.signal(signal.SIGTTIN)
    until(lambda: "cannot be used" in ray.log(), 30, what=f"a worker that looks at the node: {ray.log()}")
    jobs = [ray.farm.submit("echo", seconds=0.2) for _ in range(8)]
    assert [job.wait(20)["bytes"] for job in jobs] == [0] * 8
    told = re.findall(r"node \S+ cannot be used: (.*); this worker waits", ray.log())
    assert told == [f"spoolfarm is {version('spoolfarm')} here and 99 there; install the same on every node"]
    assert len(ray.workers()) == 3
    cluster.kill([raylet])
    ray.signal(signal.SIGTTOU)


def test_a_dead_node_costs_a_job_no_attempt(ray: RunningFarm, cluster: RayCluster, tmp_path: Path) -> None:
    assert len(ray.workers()) == 3
    raylet = cluster.add(cpus=2)
    known = {each["node_id"] for each in ray.farm.workers()}
    ray.signal(signal.SIGTTIN)
    until(lambda: len(ray.workers()) == 4, 30, what=f"a worker on the new node: {ray.log()}")
    jobs = [ray.farm.submit("speaks", BYTES, until=str(tmp_path / "go")) for _ in range(4)]
    [there] = [each for each in (running(ray, job) for job in jobs) if each["node_id"] not in known]
    cluster.kill([raylet])
    until(lambda: not lives(there["actor_pid"]))
    (tmp_path / "go").touch()
    assert [job.wait(40)["bytes"] for job in jobs] == [len(BYTES)] * 4
    assert [job.record()["attempts"] for job in jobs] == [1] * 4
    ray.signal(signal.SIGTTOU)
