"""The hot folder and whoever is killed: every file is answered once all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.hot_folder import Hot, digest, pictures
from tests.support.running_farm import RunningFarm, until

Run = Callable[..., RunningFarm]


def drop_while(hot: Hot, sources: list[Path], disturb: Callable[[int], None], parts: int) -> None:
    """Move *sources* in, and *disturb* after each of so many *parts*."""
    for number, source in enumerate(sources, 1):
        os.rename(source, hot.inbox / "digest" / source.name)
        if number % (len(sources) // parts) == 0:
            disturb(number)


def test_500_files_are_answered_once_though_everything_is_killed_in_between(run: Run, tmp_path: Path) -> None:
    farm = run(FARM_TASKS="digest=tests.support.rude_tasks:Digest", FARM_ENABLE="digest")
    hot = Hot(farm)
    (hot.inbox / "digest").mkdir(parents=True)
    sources = pictures(tmp_path / "from", 500)
    wanted = {source.name: digest(source.read_bytes()) for source in sources}
    for source in sources[:200]:  # while the farm is down
        os.rename(source, hot.inbox / "digest" / source.name)

    def kill(number: int) -> None:
        until(lambda: hot.count("digest") >= number // 2, 60, f"half the answers; {farm.log_path}")
        victims = [farm.launcher, *farm.processes()]
        farm.kill(victims)
        farm.wait()
        until(lambda: not farm.processes())
        farm.start(ready=False)

    farm.start(ready=False)
    drop_while(hot, sources[200:], kill, 3)
    answers = hot.wait("digest", 500, 90)
    assert {name: record["result"] for name, record in answers.items()} == wanted
    assert {path.name for path in (hot.out / "digest").glob("*.png")} == set(wanted)
    until(lambda: not os.listdir(farm.farm.spool.root + "/taken"))
    assert not farm.farm.results.ids()


def test_files_are_answered_once_though_hot_folder_and_workers_are_killed_again_and_again(
    run: Run, tmp_path: Path
) -> None:
    farm = run(FARM_TASKS="digest=tests.support.rude_tasks:Digest", FARM_ENABLE="digest").start()
    hot = Hot(farm)
    until(lambda: (hot.inbox / "digest").is_dir())
    sources = pictures(tmp_path / "from", 300)
    wanted = {source.name: digest(source.read_bytes()) for source in sources}
    killed = []

    def kill(number: int) -> None:
        until(lambda: hot.count("digest") > number // 2, 60, f"half the answers; {farm.log_path}")
        killed.extend([*until(hot.processes), *farm.workers()[:1]])
        for pid in killed[-2:]:
            os.kill(pid, signal.SIGKILL)

    drop_while(hot, sources, kill, 2)
    assert len(killed) == 4
    answers = hot.wait("digest", 300, 60)
    assert {name: record["result"] for name, record in answers.items()} == wanted
