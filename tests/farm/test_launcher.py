"""The launcher with real processes: it kills nobody's job, leaves nobody behind, and starts again what dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.running_farm import ROOT, RunningFarm, until

Run = Callable[..., RunningFarm]


@pytest.fixture(scope="module")
def rude(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm of one worker and one for long jobs, which survives what its tasks do to them."""
    tasks = ",".join(f"{name}=tests.support.rude_tasks:{name.capitalize()}" for name in ("crash", "deaf", "slow"))
    path = tmp_path_factory.mktemp("rude")
    enabled = "crash,deaf,echo,slow"
    with RunningFarm(path, FARM_TASKS=tasks, FARM_ENABLE=enabled, FARM_WORKERS=1, FARM_MAX_ATTEMPTS=2) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm of two workers, which each test but the last leaves as it was."""
    with RunningFarm(tmp_path_factory.mktemp("shared"), CUDA_VISIBLE_DEVICES="GPU-a,GPU-b") as made:
        yield made


def ended(farm: RunningFarm, ids: list[str]) -> bool:
    return all(map(farm.farm.results.exists, ids))


def test_flags_become_settings_and_do_not_stay_in_the_command_line(run: Run) -> None:
    farm = run(FARM_WORKERS=1)
    launcher = subprocess.Popen(
        [sys.executable, str(ROOT / "launcher.py"), "--workers", "3"],
        env={**os.environ, **farm.given},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(farm.farm.workers()) == 3)
        with open(f"/proc/{launcher.pid}/cmdline", "rb") as file:
            assert b"worker" not in file.read()
    finally:
        launcher.terminate()
        launcher.wait(20)


def test_120_accepted_jobs_succeed_while_a_random_worker_is_killed_every_second_and_a_half(run: Run) -> None:
    farm = run(FARM_WORKERS=3).start()
    ids = [farm.farm.submit("echo", bytes([number]), seconds=0.15, n=number).id for number in range(120)]
    deadline, kills = time.monotonic() + 90, 0
    while not ended(farm, ids):
        assert time.monotonic() < deadline, farm.log()
        if workers := farm.workers():
            os.kill(workers[kills % len(workers)], signal.SIGKILL)
            kills += 1
        pause = time.monotonic() + 1.5
        until(lambda pause=pause: time.monotonic() > pause or ended(farm, ids))  # type: ignore[misc]
    records = [farm.farm.record(job_id) for job_id in ids]
    assert [record["status"] for record in records] == ["succeeded"] * 120
    assert [record["result"]["params"]["n"] for record in records] == list(range(120))
    assert kills >= 3
    assert max(record["attempts"] for record in records) >= 2, "no kill hit a job"
    assert not farm.farm.spool.dead.ids()
    assert not farm.farm.spool.count().get("echo")


def test_four_jobs_that_kill_their_worker_are_answered_and_the_others_are_back_within_a_second(run: Run) -> None:
    farm = run(FARM_TASKS="poison=tests.support.rude_tasks:Poison", FARM_ENABLE="echo,poison", FARM_WORKERS=2).start()
    stop = threading.Event()
    done: list[float] = []
    poison: list[str] = []

    def ask() -> None:
        while not stop.is_set():
            farm.farm.call("echo", seconds=0.05, timeout=30)
            done.append(time.monotonic())

    def poisoned() -> int:
        """How many jobs are done in the second second after the poison, of 40 possible."""
        ids = [farm.farm.submit("poison").id for _ in range(4)]
        poison.extend(ids)
        until(lambda: ended(farm, ids), 30)
        answered = time.monotonic()
        for record in map(farm.farm.record, ids):
            assert (record["status"], record["code"], record["attempts"]) == ("failed", "worker_died", 3)
            assert "signal 9 (SIGKILL)" in record["error"]
        until(lambda: time.monotonic() > answered + 2)
        return sum(answered + 1 <= at < answered + 2 for at in done)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        until(lambda: len(done) > 40)
        until(lambda: poisoned() >= 28, 45, what="the others to be back: the machine may be busy, the farm may not")
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert sorted(farm.farm.spool.dead.ids()) == sorted(poison)


def test_a_dead_letter_says_what_killed_the_worker(rude: RunningFarm) -> None:
    job = rude.farm.submit("crash")
    until(lambda: ended(rude, [job.id]))
    error = job.record()["error"]
    assert "signal 11 (SIGSEGV)" in error
    assert "Segmentation fault" in error
    reason = rude.log_path.parent / "spool" / "dead" / job.id / "reason.json"
    until(reason.exists, what="the letter, which comes after the result")
    assert "about to crash" in reason.read_text()


def test_a_worker_that_cannot_start_is_tried_ever_more_slowly_and_a_stop_at_once_does_not_wait_for_it(run: Run) -> None:
    farm = run(FARM_TASKS="bad=tests.support.rude_tasks:Unloadable", FARM_ENABLE="bad", FARM_WORKERS=1).start(
        ready=False
    )
    until(lambda: farm.log().count("starting it again in") >= 3, 30)
    assert "starting it again in 0.5 s" in farm.log()
    assert "starting it again in 2.0 s" in farm.log()
    assert "no such model" in farm.log()
    status, body = farm.get("/ready")
    assert (status, body["error"]) == (503, "no worker is ready")
    farm.signal(signal.SIGTERM)
    farm.signal(signal.SIGINT)
    farm.wait(20)
    assert farm.processes() == []


def test_a_job_past_its_time_is_killed_and_ends_as_a_dead_letter(run: Run) -> None:
    farm = run(
        FARM_TASKS="deaf=tests.support.rude_tasks:Deaf",
        FARM_ENABLE="deaf",
        FARM_WORKERS=1,
        FARM_JOB_TIMEOUT=1,
        FARM_MAX_ATTEMPTS=2,
    ).start()
    job = farm.farm.submit("deaf", seconds=60)
    until(lambda: ended(farm, [job.id]))
    record = job.record()
    assert (record["status"], record["attempts"]) == ("failed", 2)
    assert "killed after 1 s (FARM_JOB_TIMEOUT)" in record["error"]
    assert farm.farm.call("deaf", seconds=0.01, timeout=10) == {"slept": 0.01}


def test_a_running_job_that_does_not_listen_is_cancelled_within_seconds(rude: RunningFarm) -> None:
    job = rude.farm.submit("deaf", seconds=60)
    until(lambda: job.status() == "running")
    assert job.cancel()
    until(lambda: job.status() == "cancelled", 20)
    assert rude.farm.call("deaf", seconds=0.01, timeout=10) == {"slept": 0.01}


def test_a_stop_kills_what_outlasts_the_grace_and_the_job_runs_again_later(run: Run) -> None:
    farm = run(FARM_TASKS="deaf=tests.support.rude_tasks:Deaf", FARM_ENABLE="deaf", FARM_GRACE=0.5).start()
    job = farm.farm.submit("deaf", seconds=5)
    until(lambda: job.status() == "running")
    begin = time.monotonic()
    farm.signal(signal.SIGTERM)
    assert farm.wait() == 0
    assert time.monotonic() - begin < 4
    farm.start()
    assert job.wait(timeout=20) == {"slept": 5}
    assert job.record()["attempts"] == 2


def test_long_jobs_have_workers_of_their_own(rude: RunningFarm) -> None:
    until(lambda: len(rude.workers()) == 2)
    long = rude.farm.submit("slow", seconds=3)
    until(lambda: long.status() == "running")
    assert rude.farm.call("echo", timeout=2)["bytes"] == 0
    assert long.status() == "running"
    assert {tuple(worker["tasks"]) for worker in rude.farm.workers()} == {("crash", "deaf", "echo"), ("slow",)}


def test_a_worker_makes_way_for_a_new_one_after_so_many_jobs(run: Run) -> None:
    farm = run(FARM_WORKERS=1, FARM_RECYCLE_JOBS=5).start()
    first = farm.workers()
    for number in range(20):
        assert farm.farm.call("echo", n=number, timeout=20)["params"] == {"n": number}
    until(lambda: farm.workers() and farm.workers() != first)
    assert "starting it again" not in farm.log()


def test_a_farm_without_general_workers_only_queues(run: Run) -> None:
    given = {"FARM_TASKS": "slow=tests.support.rude_tasks:Slow", "FARM_ENABLE": "echo,slow", "FARM_WORKERS": 0}
    farm = run(**given).start(ready=False)
    until(lambda: farm.get("/health")[0] == 200)
    job = farm.farm.submit("slow", seconds=0)
    assert farm.get("/ready")[0] == 503
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in farm.processes()]
    assert not [command for command in commands if b"worker" in command]
    assert job.status() == "queued"


# One farm for all.


def test_an_idle_farm_costs_next_to_nothing(shared: RunningFarm) -> None:
    """Told by how often its processes wake up: how long that takes is the machine's affair."""

    def woken() -> int:
        count = 0
        for pid in [shared.launcher, *shared.processes()]:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                [switches] = re.findall(
                    r"^voluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text(), re.MULTILINE
                )
                count += int(switches)
        return count

    begin, before = time.monotonic(), woken()
    until(lambda: time.monotonic() > begin + 8)
    assert (woken() - before) / (time.monotonic() - begin) < 18


def test_each_worker_is_dealt_a_device(shared: RunningFarm) -> None:
    shared.signal(signal.SIGTTIN)
    until(lambda: len(shared.workers()) == 3)
    found = []
    for pid in shared.workers():
        with open(f"/proc/{pid}/environ", "rb") as file:
            found += [each for each in file.read().split(b"\0") if each.startswith(b"CUDA_VISIBLE_DEVICES=")]
    assert sorted(found) == [b"CUDA_VISIBLE_DEVICES=GPU-%c" % name for name in b"aab"]
    shared.signal(signal.SIGTTOU)
    until(lambda: len(shared.workers()) == 2)


def test_nothing_outlives_a_killed_launcher_and_nothing_accepted_is_lost(shared: RunningFarm) -> None:
    ids = [shared.farm.submit("echo", seconds=0.1).id for _ in range(40)]
    until(lambda: ended(shared, ids[:3]))
    shared.kill_launcher()
    until(lambda: not shared.processes(), 20, what="every child to die")
    assert not ended(shared, ids)
    shared.start()
    until(lambda: ended(shared, ids), 30)
    assert {shared.farm.record(job_id)["status"] for job_id in ids} == {"succeeded"}


def test_everything_killed_at_once_loses_nothing_that_was_accepted(shared: RunningFarm) -> None:
    ids = []
    for _ in range(30):
        status, body = shared.post("/v1/jobs", {"task": "echo", "params": {"seconds": 0.1}})
        assert status == 202
        ids.append(body["id"])
    shared.kill([shared.launcher, *shared.processes()])
    shared.wait()
    until(lambda: not shared.processes(), 20)
    shared.start()
    until(lambda: ended(shared, ids), 30)
    assert {shared.farm.record(job_id)["status"] for job_id in ids} == {"succeeded"}


def test_a_worker_is_seen_in_its_command_line_and_nobody_else(shared: RunningFarm) -> None:
    commands = {}
    for pid in [shared.launcher, *shared.processes()]:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            commands[pid] = b"worker" in file.read()
    assert sorted(pid for pid, found in commands.items() if found) == sorted(shared.workers())
    assert len(shared.workers()) == 2


def test_a_second_launcher_on_the_spool_refuses_and_names_the_first(shared: RunningFarm) -> None:
    second = subprocess.run(
        [sys.executable, str(ROOT / "launcher.py")],
        env={**os.environ, **shared.given},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert f"launcher {shared.launcher} " in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert shared.get("/health") == (200, {"status": "ok"})


def test_a_port_in_use_and_a_bad_setting_stop_the_start_with_one_line(shared: RunningFarm) -> None:
    for name, value, words in [
        ("FARM_SPOOL_DIR", str(shared.log_path.parent / "other"), "cannot listen there"),
        ("FARM_WORKERS", "many", "FARM_WORKERS='many' is not allowed: it takes a whole number"),
        ("FARM_ENABLE", "nonsense", "FARM_ENABLE names 'nonsense'"),
    ]:
        failed = subprocess.run(
            [sys.executable, str(ROOT / "launcher.py")],
            env={**os.environ, **shared.given, name: value},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert failed.returncode == 1
        assert words in failed.stderr
        assert len(failed.stderr.splitlines()) == 1, failed.stderr


def test_one_worker_more_and_one_fewer_by_signal(shared: RunningFarm) -> None:
    shared.signal(signal.SIGTTIN)
    until(lambda: len(shared.workers()) == 3)
    for left in (2, 1, 0):
        shared.signal(signal.SIGTTOU)
        until(lambda left=left: len(shared.workers()) == left)  # type: ignore[misc]
    assert shared.get("/ready")[0] == 503
    for there in (1, 2):
        shared.signal(signal.SIGTTIN)
        until(lambda there=there: len(shared.workers()) == there)  # type: ignore[misc]


def test_a_killed_front_comes_back_and_its_accepted_jobs_are_done(shared: RunningFarm) -> None:
    answers = [shared.post("/v1/jobs", {"task": "echo", "params": {"seconds": 0.2}}) for _ in range(10)]
    assert {status for status, _ in answers} == {202}
    before = set(shared.front())
    shared.kill(before)
    until(lambda: shared.get("/health")[0] == 200 and not before & set(shared.front()), what=shared.log())
    ids = [body["id"] for _, body in answers]
    until(lambda: ended(shared, ids))
    assert {shared.get(f"/v1/jobs/{job_id}")[1]["status"] for job_id in ids} == {"succeeded"}


def test_a_reload_replaces_every_worker_and_loses_no_request(shared: RunningFarm) -> None:
    before, answers, stop = set(shared.workers()), [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(shared.farm.call("echo", seconds=0.02, timeout=20))

    client = threading.Thread(target=ask)
    client.start()
    try:
        shared.signal(signal.SIGHUP)
        until(lambda: len(shared.workers()) == 2 and not before & set(shared.workers()), what=shared.log())
    finally:
        stop.set()
        client.join()
    assert answers
    assert shared.get("/ready")[0] == 200


def test_a_graceful_stop_answers_the_requests_under_way(shared: RunningFarm) -> None:
    answers: list[tuple[int, object]] = []
    temporary = Path(shared.farm.results.root, "tmp")
    torn = {*temporary.iterdir()}  # of workers that were killed as they wrote

    def ask() -> None:
        answers.append(shared.post("/v1/run/echo", {"params": {"seconds": 0.2}}))

    clients = [threading.Thread(target=ask) for _ in range(10)]
    for client in clients:
        client.start()
    until(lambda: sum(map(len, shared.farm.spool.running().values())) == 2)
    until(lambda: sum(shared.farm.spool.count().values()) + len(answers) >= 8)
    shared.signal(signal.SIGTERM)
    for client in clients:
        client.join()
    assert [status for status, _ in answers] == [200] * 10
    assert shared.wait() == 0
    until(lambda: not shared.processes(), 20)
    assert not os.listdir(shared.farm.spool.active)
    assert {*temporary.iterdir()} <= torn
