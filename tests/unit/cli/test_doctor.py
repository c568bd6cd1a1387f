"""The doctor's checks, each on a machine or a farm that is well and on one that is not."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from spoolfarm import config
from spoolfarm.cli import doctor, machine
from spoolfarm.cli.finding import Finding, Level
from spoolfarm.config import Settings, load
from spoolfarm.farm.farm import Farm
from spoolfarm.values import Address
from tests.support import foreign_flower_project as foreign
from tests.support.running_farm import ROOT, until


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding of a check that has one thing to say."""
    [found] = findings
    return found


def start_worker(farm: Farm) -> subprocess.Popen[bytes]:
    """A real worker for `echo`, ready."""
    command = [sys.executable, str(ROOT / "worker.py"), "--tasks", "echo"]
    environment = {**os.environ, **farm.settings.environment()}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    until(farm.workers, what="the worker")
    return process


def test_a_finding_is_one_line() -> None:
    assert Finding(Level.OK, "python", "3.11.7").line() == "ok    python: 3.11.7"
    assert Finding(Level.FAIL, "spool", "it is full", "make room").line() == "FAIL  spool: it is full; make room"


def test_all_but_a_good_finding_comes_with_advice(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FARM_ENABLE", "")
    findings = list(doctor.examine())
    assert {finding.check for finding in findings} >= {
        "python",
        "packages",
        "settings",
        "exposure",
        "spool",
        "results",
        "data",
        "disk",
        "inotify",
        "open files",
        "tasks",
        "models",
        "project",
        "strays",
        "inbox",
        "leftovers",
        "launcher",
        "workers",
    }
    for finding in findings:
        assert bool(finding.advice) == (finding.level is not Level.OK), finding


def test_a_bad_setting_fails_and_ends_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_GRACE", "soon")
    *_, last = doctor.examine()
    assert last.level is Level.FAIL
    assert last.what.startswith("FARM_GRACE='soon' is not allowed")


def test_an_enabled_task_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_ENABLE", "echo,orc")
    *_, last = doctor.examine()
    assert last.level is Level.FAIL
    assert "'orc'" in last.what


# The machine.


def test_an_old_python_fails() -> None:
    assert machine.python((3, 10, 9)).level is Level.FAIL
    assert machine.python((3, 11, 0)).level is Level.OK


def test_packages_that_are_missing_fail_and_other_versions_warn() -> None:
    versions = {"flask": None, "pillow": "12.0", "torch": "2.14.1+cpu"}
    pins = {"pillow": "11.0", "torch": "2.14.1"}
    findings = list(machine.packages(pins, lambda name: versions.get(name, "1.0")))
    assert [(finding.level, finding.what) for finding in findings] == [
        (Level.FAIL, "flask is not installed"),
        (Level.WARN, "pillow is 12.0, but 11.0 is pinned"),
    ]


def test_packages_as_pinned_are_one_finding() -> None:
    assert only(machine.packages({}, lambda _: "1.0")).level is Level.OK


def test_pins_are_those_of_this_interpreter(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(
        "# pinned\n\nFlask_Cors==6.0.2\n"
        "numpy==9.9 ; python_version < '3'\nnumpy==2.4.6 ; python_version >= '3'  # why\n"
    )
    assert machine.pins(constraints) == {"flask-cors": "6.0.2", "numpy": "2.4.6"}
    assert machine.pins(tmp_path / "none") == {}


def test_a_directory_that_is_not_there_yet_is_a_warning(settings: Settings) -> None:
    findings = list(machine.directories(settings))
    assert [finding.check for finding in findings] == ["spool", "results", "data"]
    assert {finding.level for finding in findings} == {Level.WARN}
    assert [findings[0].what, findings[2].what] == [
        f"{path} does not exist" for path in (settings.spool_dir, settings.data_dir)
    ]


def test_a_directory_that_cannot_be_made_fails(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool, *_ = machine.directories(replace(settings, spool_dir=f"{tmp_path}/file/spool"))
    assert spool.level is Level.FAIL
    assert spool.advice == f"make it, or let the farm write to {tmp_path}/file"


def test_a_file_in_the_place_of_a_directory_fails(settings: Settings, tmp_path: Path) -> None:
    for name in ("results", "data"):
        (tmp_path / name).write_text("")
    _, results, data = machine.directories(settings)
    assert (results.level, data.level) == (Level.FAIL, Level.FAIL)
    assert "FARM_RESULTS_DIR" in results.advice
    assert "FARM_DATA_DIR" in data.advice


def test_a_data_folder_that_cannot_be_written_fails(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: str) -> None:
        if dir == farm.settings.data_dir:
            raise OSError(errno.EACCES, "Permission denied")

    os.makedirs(farm.settings.data_dir)
    with monkeypatch.context() as patched:  # root may write everywhere
        patched.setattr(machine.tempfile, "TemporaryFile", lambda dir: refuse(dir) or nullcontext())
        *_, data = machine.directories(farm.settings)
    assert (data.level, data.what) == (
        Level.FAIL,
        f"{farm.settings.data_dir} cannot be written (Permission denied)",
    )


def test_writable_directories_are_fine_and_nothing_stays_in_them(farm: Farm) -> None:
    before = sorted(os.listdir(farm.spool.root))
    os.makedirs(farm.settings.data_dir)
    assert {finding.level for finding in machine.directories(farm.settings)} == {Level.OK}
    assert sorted(os.listdir(farm.spool.root)) == before


@pytest.mark.parametrize(
    ("kind", "level"), [("ext4", Level.OK), ("nfs4", Level.WARN), ("fuse.sshfs", Level.WARN), ("tmpfs", Level.WARN)]
)
def test_disks_that_do_not_keep_their_promises_are_a_warning(
    farm: Farm, tmp_path: Path, kind: str, level: Level
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 0:9 / {farm.spool.root} rw - {kind} there rw\n")
    spool, results, _ = machine.directories(farm.settings, str(mounts))
    assert (spool.level, results.level) == (level, Level.OK)


def test_a_path_belongs_to_the_longest_mount_above_it() -> None:
    mounts = "\n".join(
        [
            "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
            "30 27 0:30 / /data rw shared:1 - xfs /dev/vdb rw",
            "31 30 0:31 / /data/far\\040away rw - nfs4 host:/x rw",
            "32 30 0:32 / /data/twice rw - ext4 /dev/vdc rw",
            "33 30 0:33 / /data/twice rw - btrfs /dev/vdd rw",
        ]
    )
    found = {
        path: machine.file_system(path, mounts)
        for path in ("/data/x", "/database/x", "/data/far away/spool", "/data", "/data/twice/x")
    }
    assert found == {
        "/data/x": "xfs",
        "/database/x": "ext4",
        "/data/far away/spool": "nfs4",
        "/data": "xfs",
        "/data/twice/x": "btrfs",
    }
    assert machine.file_system("/data/x", "") == ""


def test_a_spool_on_two_file_systems_fails(farm: Farm, other_disk: Path) -> None:
    assert list(machine.one_file_system(farm.settings)) == []
    os.rmdir(farm.spool.active)
    os.symlink(other_disk, farm.spool.active)
    found = only(machine.one_file_system(farm.settings))
    assert found.level is Level.FAIL
    assert found.what.startswith("active in ")


def test_a_disk_below_the_floor_fails_and_one_near_it_warns(farm: Farm) -> None:
    free = farm.figures().free_bytes >> 20
    levels = {}
    for name, floor in {"far": 0, "near": free // 2, "below": free * 2}.items():
        levels[name] = {finding.level for finding in machine.disk(replace(farm.settings, min_free_mb=floor))}
    assert levels == {"far": {Level.OK}, "near": {Level.WARN}, "below": {Level.FAIL}}


def test_low_inotify_limits_are_a_warning_with_the_sysctl_to_set(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "max_user_instances").write_text("3\n")
    (tmp_path / "max_user_watches").write_text("100000\n")
    low, works = machine.inotify(farm.settings, str(tmp_path))
    assert low.level is Level.WARN
    assert low.advice.startswith("sysctl fs.inotify.max_user_instances=")
    assert works == Finding(Level.OK, "inotify", "events come")
    assert os.listdir(farm.spool.tmp) == []


def test_a_farm_that_has_to_poll_is_a_warning(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchdog.observers", None)
    found = only(machine.inotify(farm.settings, str(tmp_path)))
    assert found.level is Level.WARN
    assert "polls" in found.what


def test_too_few_open_files_are_a_warning(settings: Settings) -> None:
    assert only(machine.descriptors(replace(settings, front_threads=4))).level is Level.OK
    assert only(machine.descriptors(replace(settings, front_threads=2**60))).level is Level.WARN


# The settings.


def test_a_mistyped_setting_is_named_with_the_right_one() -> None:
    known = [row["name"] for row in config.rows()]
    typo, other = doctor.names(["FARM_WORKRES", "HOME", "FARM_XYLOPHONE", "FARM_BIND"], known)
    assert (typo.level, typo.advice) == (Level.WARN, "did you mean FARM_WORKERS?")
    assert other.what.startswith("FARM_XYLOPHONE is no setting")
    assert only(doctor.names(["FARM_BIND", "HOME"], known)).level is Level.OK


def test_an_open_address_without_a_key_is_a_warning(settings: Settings) -> None:
    both = replace(settings, bind=(Address("127.0.0.1", 8090), Address("0.0.0.0", 5000)))
    found = only(doctor.exposure(both))
    assert (found.level, "0.0.0.0:5000" in found.what) == (Level.WARN, True)
    assert only(doctor.exposure(replace(both, api_key="secret"))).level is Level.OK
    assert only(doctor.exposure(settings)).level is Level.OK


def test_a_task_that_cannot_be_imported_fails_and_the_others_are_named(settings: Settings) -> None:
    made = load({**settings.environment(), "FARM_TASKS": "mine=no.such.module:Task", "FARM_ENABLE": "mine,echo"})
    bad, good = doctor.tasks(made)
    assert bad.level is Level.FAIL
    assert "no.such.module" in bad.what
    assert good == Finding(Level.OK, "tasks", "echo")


def test_missing_models_fail_where_pages_are_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {finding.level for finding in doctor.models(settings)} == {Level.OK}

    def missing(name: str) -> Path:
        raise FileNotFoundError(f"no model {name}")

    monkeypatch.setattr("spoolfarm.tasks.ocr.models.path", missing)
    assert {finding.level for finding in doctor.models(settings)} == {Level.FAIL}
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    assert list(doctor.models(settings)) == []


# The farm.


def test_strays_in_queue_and_inbox_are_named(farm: Farm) -> None:
    farm.submit("echo")
    assert only(doctor.strays(farm.settings)).level is Level.OK
    for path in ("queue/orc/5deadbeef/x", "inbox/orc/scan.jpg", "queue/echo/notes.txt", "queue/echo/518ea07d5/readme"):
        Path(farm.spool.root, path).parent.mkdir(parents=True, exist_ok=True)
        Path(farm.spool.root, path).write_text("")
    Path(farm.spool.root, "queue/empty").mkdir()
    assert sorted(finding.what.removeprefix(farm.spool.root + "/") for finding in doctor.strays(farm.settings)) == [
        "inbox/orc (1 files) is no folder of a task that takes files",
        "queue/echo/518ea07d5/readme is no job",
        "queue/echo/notes.txt is no job",
        "queue/orc (1 files): no such task",
    ]


def test_a_thousand_strays_are_three_lines(farm: Farm) -> None:
    folder = Path(farm.spool.queue, "echo")
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}").write_text("")
    assert len(list(doctor.strays(farm.settings))) == doctor.NAMED


def test_jobs_of_a_worker_that_was_killed_are_left_over(farm: Farm) -> None:
    job = farm.submit("echo", seconds=60)
    with start_worker(farm) as worker:
        until(lambda: job.status() == "running")
        assert only(doctor.leftovers(farm.settings)).level is Level.OK
        worker.send_signal(signal.SIGKILL)
    found = only(doctor.leftovers(farm.settings))
    assert (found.level, found.what) == (Level.WARN, "1 jobs of 1 dead workers wait to be taken back")
    farm.spool.reclaim()
    assert only(doctor.leftovers(farm.settings)).level is Level.OK
    assert job.status() == "queued"


def test_old_files_in_tmp_are_left_over(farm: Farm) -> None:
    for root in (farm.spool.root, farm.results.root):
        Path(root, "tmp", "young").write_text("")
        Path(root, "tmp", "old").write_text("")
        os.utime(f"{root}/tmp/old", (0, 0))
    assert only(doctor.leftovers(farm.settings)).what == "2 files in tmp/ are more than an hour old"


def test_a_launcher_is_told_from_one_that_was_killed(farm: Farm) -> None:
    assert only(doctor.launcher(farm.settings)).what == f"none runs on {farm.spool.root}"
    about = {"pid": 4711, "bind": "127.0.0.1:8090", "since": "2026-01-01 00:00:00"}
    Path(farm.spool.root, "launcher.json").write_text(json.dumps(about))
    lock = FileLock(f"{farm.spool.root}/launcher.lock", fallback_to_soft=False)
    with lock:
        running = only(doctor.launcher(farm.settings))
    killed = only(doctor.launcher(farm.settings))
    assert running == Finding(Level.OK, "launcher", "4711 on 127.0.0.1:8090 since 2026-01-01 00:00:00")
    assert (killed.level, killed.what) == (Level.WARN, f"{running.what} was killed")


def test_looking_for_a_launcher_leaves_no_lock_behind(farm: Farm) -> None:
    list(doctor.launcher(farm.settings))
    assert not os.path.exists(f"{farm.spool.root}/launcher.lock")


def test_jobs_that_nobody_takes_are_a_warning(farm: Farm) -> None:
    assert only(doctor.workers(farm.settings)).what == "none is ready"
    farm.submit("echo")
    assert only(doctor.workers(farm.settings)).what == "jobs of echo wait, and no ready worker takes them"
    with start_worker(farm) as worker:
        assert only(doctor.workers(farm.settings)) == Finding(Level.OK, "workers", "1 ready for echo")
        worker.terminate()


def test_the_flower_project_is_looked_at_where_it_is_used(settings: Settings, tmp_path: Path) -> None:
    root = foreign.make(tmp_path / "project")
    given = settings.environment() | foreign.settings(root) | {"FARM_ENABLE": ""}
    found = only(doctor.project(load(given)))
    assert (found.level, found.what) == (Level.OK, f"{root} with 0 models")
    found = only(doctor.project(load(given | {"FLOWER_START_SCRIPT": "missing.py"})))
    assert found.level is Level.WARN
    assert "FLOWER_START_SCRIPT" in found.what
    found = only(doctor.project(load(given | {"MODEL_WEIGHTS_SUBDIR": "missing"})))
    assert "MODEL_WEIGHTS_SUBDIR" in found.what
    assert list(doctor.project(load(given | {"FLOWER_PROJECT_DIR": "/nothing", "FARM_ENABLE": "echo"}))) == []


def test_a_project_that_is_still_to_be_made_is_none_of_the_doctors_business(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ROOT", tmp_path / "checkout")
    foreign.make(tmp_path / "checkout/flower_project")
    given = settings.environment() | {"FARM_HOME": str(tmp_path / "home"), "FARM_ENABLE": ""}
    found = only(doctor.project(load(given)))
    assert (found.level, found.what) == (Level.OK, f"{settings.data_dir}/flower_project will be made at its first use")
    assert not os.path.exists(settings.data_dir)
