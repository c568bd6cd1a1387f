"""The simulate task: a start script, told line by line, of which nothing is left at its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.config import load
from spoolfarm.errors import BadProject, Forbidden, InvalidParams, JobCancelled, SimulationFailed
from spoolfarm.spool.job import Job
from spoolfarm.tasks.flower import reaper, run_records
from spoolfarm.tasks.flower.project import Project
from spoolfarm.tasks.flower.session import Session
from spoolfarm.tasks.flower.simulate import GRACE, LOOK, Simulate
from tests.support import foreign_flower_project as foreign
from tests.support.running_farm import until


class Listener:
    """Notes what a task says, and when; cancels once *until* holds."""

    def __init__(self, cancel: Callable[[Listener], bool] = lambda _: False) -> None:
        self.lines: list[str] = []
        self.times: list[float] = []
        self.fractions: list[float] = []
        self._cancel = cancel

    def log(self, line: str) -> None:
        self.lines.append(line)
        self.times.append(time.monotonic())

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)

    def cancelled(self) -> bool:
        return self._cancel(self)

    def scratch(self) -> Path:
        raise AssertionError("a simulation has its own")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go, which must be empty in the end."""
    made = tmp_path / "tmp"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield made
    assert list(made.iterdir()) == []


@pytest.fixture
def task(root: Path, temporary: Path) -> Simulate:
    made = Simulate()
    made.settings = load(foreign.settings(root, FARM_DATA_DIR=root.parent / "data")).by_name()
    made.setup()
    return made


def run(task: Simulate, listener: Listener, **params: Any) -> dict[str, Any]:
    (result,) = task.run([Job("simulate", task.validate(params))], listener)
    assert isinstance(result, dict)
    return result


def alive(path: Path) -> list[int]:
    """Which of the processes named in *path* live."""
    return [pid for pid in map(int, path.read_text().split()) if reaper.started(pid)]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"-rate": 1}, "'-rate' is no plain name"),
        ({"--rate": None}, "'--rate' is no plain name"),
        ({"": 1}, "'' is no plain name"),
        ({"1st": 1}, "'1st' is no plain name"),
        ({"a b": 1}, "is no plain name"),
        ({"größe": 1}, "is no plain name"),
        ({"a\n": 1}, "is no plain name"),
        ({"a": [1, None]}, "params.a: must be a number, a text, true, false or null, or a list of such values"),
        ({"a": [[1]]}, "params.a: must be a number"),
        ({"a": ["b", "-c"]}, "params.a: must not begin with '-'"),
        ({"a": [1] * 1001}, "params.a: has 1001 values; at most 1000"),
        ({"a": {"b": 1}}, "params.a: must be a number"),
        ({"a": float("nan")}, "params.a: must be a number"),
        ({"a": float("inf")}, "params.a: must be a number"),
        ({"a": "-x"}, "params.a: must not begin with '-'"),
        ({"a": "--rounds"}, "params.a: must not begin with '-'"),
        ({"a": "b\0c"}, "params.a: is no text that a script can be given"),
        ({"a": "\ud800"}, "params.a: is no text"),
        ({"a": "x" * 5000}, "params.a: is no text"),
        ({f"a{number}": 1 for number in range(101)}, "at most 100"),
    ],
)
def test_what_is_no_plain_parameter_is_refused(task: Simulate, params: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidParams, match=reason):
        task.validate(params)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//etc",
        "/",
        "..",
        "../other",
        "runs/../../other",
        "inside/../../../etc",
        "away/../other",  # a link of the owner's, and the way back from where it leads
        "~",
        "~root/x",
        "{project}-else",
        "{data}/..",
        "../data2",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(task: Simulate, root: Path, path: str) -> None:
    elsewhere(root)
    with pytest.raises(Forbidden, match=r"params\.out: leads out of the Flower project and the data folder"):
        task.validate({"rounds": 1, "out": path.format(project=root, data=root.parent / "data")})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "runs/a",
        "runs/../other",
        "{project}",
        "{project}/runs",
        "{data}/pictures",
        "../data/pictures",
        "away/pictures",
        "inside/x",
        "Adam",
        "lr=0.1;decay=1e-4",
        "127.0.0.1:6379",
        "https://example.org/a",
        "~5",
        "a..b",
        "...",
    ],
)
def test_what_stays_inside_or_is_no_path_is_taken(task: Simulate, root: Path, text: str) -> None:
    elsewhere(root)
    params = {"out": text.format(project=root, data=root.parent / "data")}
    assert task.validate(params) == params


def elsewhere(root: Path) -> None:
    """Two links in the project, to a folder of it and out of it."""
    (root / "nets/deep").mkdir()
    (root / "inside").symlink_to("nets/deep")
    (root.parent / "disk/big").mkdir(parents=True)
    (root / "away").symlink_to(root.parent / "disk/big")


def test_every_text_of_a_list_is_looked_at_as_a_path(task: Simulate) -> None:
    with pytest.raises(Forbidden, match=r"params\.data: leads out"):
        task.validate({"data": ["inside", "../../else"]})


def test_a_project_that_is_reached_by_a_link_is_the_same_project(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    task = Simulate()
    task.settings = load(foreign.settings(tmp_path / "link")).by_name()
    for path in (root / "runs", tmp_path / "link/runs", "../link/runs"):
        task.validate({"out": str(path)})
    with pytest.raises(Forbidden):
        task.validate({"out": str(tmp_path / "other")})


def test_plain_parameters_are_taken_as_they_are(task: Simulate) -> None:
    params = {"rounds": 10, "fraction_fit": 0.8, "name": "a b 猫", "fast": True, "offset": -3, "empty": ""}
    params |= {"num-clients": 2, "verbose": None, "layers": [64, 0.5, "a", False], "none": []}
    assert task.validate(params) == params


def test_a_project_without_script_is_refused_before_the_queue(root: Path) -> None:
    task = Simulate()
    task.settings = load(foreign.settings(root, FLOWER_START_SCRIPT="no.py")).by_name()
    with pytest.raises(BadProject):
        task.validate({})


def test_parameters_reach_the_script_and_its_lines_come_one_by_one(task: Simulate, root: Path) -> None:
    listener = Listener()
    result = run(task, listener, rounds=3, pause=0.3, say="$HOME; `id`")
    assert (result["exit_code"], result["folder"]) == (0, None)
    given = json.loads(listener.lines[0].removeprefix("given ").removesuffix(f" {root}"))
    assert (given["rounds"], given["say"]) == (3, "$HOME; `id`")
    assert listener.lines[1:] == ["knows []", "$HOME; `id`"] + [f"round {n}/3 accuracy 0.5" for n in (1, 2, 3)]
    assert listener.fractions == [1 / 3, 2 / 3, 1]
    assert listener.times[-1] - listener.times[-3] > 0.5  # as they are printed, not at the end


def test_the_script_is_told_no_secret(task: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_API_KEY", "secret")
    monkeypatch.setenv("FLASK_SECRET_KEY", "secret")
    listener = Listener()
    run(task, listener, rounds=0)
    assert "knows []" in listener.lines


@pytest.mark.parametrize(("code", "why"), [(1, ": round 1/1 accuracy 0.5"), (143, "")])
def test_an_exit_code_is_passed_on_with_the_last_words(task: Simulate, code: int, why: str) -> None:
    with pytest.raises(SimulationFailed, match=f"exit code {code}{why}$") as caught:
        run(task, Listener(), rounds=1, code=code)
    assert caught.value.details == {"exit_code": code, "folder": None}


def test_a_script_that_is_killed_has_the_code_of_a_shell(task: Simulate, root: Path) -> None:
    foreign.write(root / "start.py", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(SimulationFailed, match=r"exit code 137$"):
        run(task, Listener())


def test_a_script_that_cannot_be_run_says_so(root: Path, temporary: Path) -> None:
    foreign.write(root / "start", "no program")
    (root / "start").chmod(0o755)
    task = Simulate()
    task.settings = load(foreign.settings(root, FLOWER_START_SCRIPT="start")).by_name()
    listener = Listener()
    with pytest.raises(SimulationFailed, match=r"exit code 127: .* cannot be run: Exec format error$"):
        run(task, listener)
    assert "cannot be run: Exec format error" in listener.lines[0]


def test_nothing_outlives_the_end_of_the_script(task: Simulate, tmp_path: Path) -> None:
    run(task, Listener(), rounds=0, leave="yes", pids="pids")
    assert len((tmp_path / "project/pids").read_text().split()) == 3
    assert not alive(tmp_path / "project/pids")


def test_a_cancelled_script_is_asked_to_end_and_nothing_outlives_it(task: Simulate, tmp_path: Path) -> None:
    listener = Listener(lambda each: any("round 1/" in line for line in each.lines))
    with pytest.raises(JobCancelled) as caught:
        run(task, listener, rounds=1000, leave="yes", pids="pids", folder="Net_20260101-000000")
    assert caught.value.details == {"exit_code": 143, "folder": "Net_20260101-000000"}
    assert not alive(tmp_path / "project/pids")


def test_a_script_that_does_not_hear_is_killed_after_a_grace(task: Simulate, tmp_path: Path) -> None:
    listener = Listener(lambda each: any("round 1/" in line for line in each.lines))
    with pytest.raises(JobCancelled) as caught:
        run(task, listener, rounds=1000, leave="yes", deaf="yes", pids="pids")
    assert caught.value.details["exit_code"] == 137
    assert listener.times[-1] - listener.times[0] > GRACE - LOOK
    assert not alive(tmp_path / "project/pids")


def test_a_script_that_closes_its_output_is_waited_for(task: Simulate, root: Path) -> None:
    code = "import os, time; print('bye'); os.close(1); os.close(2); time.sleep(0.5); open('done', 'w'); os._exit(5)"
    foreign.write(root / "start.py", code)
    listener = Listener()
    with pytest.raises(SimulationFailed, match=r"exit code 5: bye$"):
        run(task, listener)
    assert listener.lines == ["bye"]
    assert (root / "done").exists()


def test_a_flood_fills_the_log_and_no_more(task: Simulate) -> None:
    listener = Listener()
    assert run(task, listener, rounds=1, pause=0, say="x" * 4000, times=6000)["exit_code"] == 0
    assert sum(map(len, listener.lines)) < 17 * 2**20
    assert listener.lines[-1] == "round 1/1 accuracy 0.5"
    assert any("lines are left out" in line for line in listener.lines)


def test_the_folder_of_the_run_is_told_and_its_record_closed(task: Simulate, root: Path) -> None:
    run_of_others = root / "global_models/Old_20250101-000000/result.json"
    foreign.write(run_of_others, json.dumps({"status": "running", "pid": os.getpid()}))
    os.utime(run_of_others, (time.time() - 100, time.time() - 100))
    with pytest.raises(SimulationFailed) as caught:
        run(task, Listener(), rounds=0, code=1, folder="Net_20260101-000000")
    assert caught.value.details["folder"] == "Net_20260101-000000"
    record = json.loads((root / "global_models/Net_20260101-000000/result.json").read_text())
    assert record == {"status": "failed", "rounds": [1], "accuracies": [0.5], "losses": [1.5]}


@pytest.mark.parametrize("marked", [True, False])
def test_of_two_runs_at_once_each_tells_its_own_folder(marked: bool, task: Simulate, root: Path) -> None:
    """The first begins first and ends last; meanwhile the second one begins and ends."""
    body = """
        import json, os, sys, time
        name, go = sys.argv[2], sys.argv[4]
        os.makedirs(f"global_models/{name}")
        record = {"status": "running", "pid": os.getpid()} | ({"job": os.environ["SPOOLFARM_JOB"]} if MARKED else {})
        def write(**more):
            with open(f"global_models/{name}/result.json", "w") as file:
                json.dump(record | more, file)
        write()
        print("begun", flush=True)
        while not os.path.exists(go):
            time.sleep(0.01)
            write()
        del record["pid"]
        write(status="completed")
    """
    foreign.write(root / "start.py", textwrap.dedent(body).replace("MARKED", str(marked)))
    told: dict[str, Any] = {}

    def simulate(name: str) -> None:
        params = task.validate({"name": name, "go": f"go_{name}"})
        told[name] = task.run([Job("simulate", params)], listeners[name])[0]["folder"]

    names = ("A_20260101-000000", "A_20260101-000000-2")
    listeners = {name: Listener() for name in names}
    threads = {name: threading.Thread(target=simulate, args=(name,)) for name in names}
    for name in names:
        threads[name].start()
        until(lambda name=name: listeners[name].lines == ["begun"])
    for name in names:  # while the first one ends, the second goes on writing
        (root / f"go_{name}").touch()
        threads[name].join()
    assert told == {name: name for name in names}


def dead_pid() -> int:
    """The number of a process that has been."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_record_of_a_dead_run_is_closed_and_one_of_a_living_run_is_not(task: Simulate, root: Path) -> None:
    told = {"dead": {"pid": dead_pid()}, "alive": {"pid": os.getpid()}, "unknown": {}, "ended": {"status": "completed"}}
    for name, more in told.items():
        foreign.write(root / f"global_models/{name}/result.json", json.dumps({"status": "running", **more}))
    reused = root / "global_models/reused/result.json"
    foreign.write(reused, json.dumps({"status": "running", "pid": os.getpid()}))
    os.utime(reused, (1e9, 1e9))  # written long before the process of that number began
    foreign.write(root / "global_models/damaged/result.json", "{")
    (root / "global_models/dead/result.json").chmod(0o640)
    task.setup()
    status = {
        path.parent.name: json.loads(path.read_text())["status"]
        for path in (root / "global_models").glob("*/result.json")
        if path.parent.name != "damaged"
    }
    expected = {"dead": "failed", "alive": "running", "unknown": "running", "ended": "completed", "reused": "failed"}
    assert status == expected
    assert (root / "global_models/dead/result.json").stat().st_mode & 0o777 == 0o640


def test_a_record_without_process_is_closed_by_the_run_that_wrote_it(root: Path) -> None:
    foreign.write(root / "global_models/mine/result.json", '{"status": "running"}')
    project = Project(load(foreign.settings(root)).by_name())
    assert run_records.settle(project, "stopped", time.time() - 5) == ["mine"]
    assert json.loads((root / "global_models/mine/result.json").read_text()) == {"status": "stopped"}


def test_what_a_killed_keeper_leaves_is_found_and_killed(root: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    project = Project(load(foreign.settings(root)).by_name())
    command = project.command({"rounds": 1000, "leave": "yes", "pids": str(pids)})
    with Session(command, str(root)) as session:
        until(lambda: pids.exists() and len(pids.read_text().split()) == 3, what="the script")
        reaper.kill_orphans()
        assert len(alive(pids)) == 3  # their keeper lives
        session._keeper.kill()
        until(lambda: session.read(LOOK) is None, what="the end of the output")
        assert session.wait() is None
    assert not alive(pids)


def test_a_keeper_whose_parent_dies_ends_everything(root: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import sys; from spoolfarm.tasks.flower.session import Session\n"
        f"session = Session([sys.executable, 'start.py', '--rounds', '9999', '--leave', 'y', '--pids', {str(pids)!r}], "
        f"{str(root)!r})\nsys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    until(lambda: pids.exists() and len(pids.read_text().split()) == 3, what="the script")
    assert len(alive(pids)) == 3
    parent.kill()
    parent.communicate()
    until(lambda: not alive(pids), what="the end of all")
