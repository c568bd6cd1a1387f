"""Modes: no other user enters or locks anything of the farm, whatever the umask is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.launcher.launcher import Launcher
from spoolfarm.spool.doorbell import Bell
from spoolfarm.spool.lease import Lease, new_worker_id
from spoolfarm.spool.lock import lock
from tests.support.echoing_worker import work
from tests.support.spool_jobs import bury, new
from tests.support.spool_tree import Elsewhere


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(root: str | Path) -> list[str]:
    """What below *root* others may read, write or enter."""
    walked = os.walk(root)
    paths = [f"{folder}/{name}" for folder, folders, names in walked for name in (*folders, *names)]
    return [path for path in paths if stat.S_IMODE(os.lstat(path).st_mode) & 0o077]


@pytest.mark.usefixtures("no_umask")
def test_with_a_umask_of_nothing_everything_is_the_farms_own(tmp_path: Path) -> None:
    farm = Farm(tmp_path / "spool", tmp_path / "results")
    dead = new(durable=True)
    farm.spool.put(dead)
    bury(farm.spool, dead)
    farm.retry(dead.id)
    farm.put(farm.prepare("echo", [b"x"], {}, durable=True), key="key")
    lease = Lease.take(farm.spool.workers, farm.spool.active, new_worker_id())
    bell = Bell(farm.spool.root, lease.wid)
    lease.announce({"tasks": ["echo"]})
    assert lease.try_suspects()
    farm.spool.disabled.note("other", "no luck")
    work(farm.spool)
    farm.cancel(farm.submit("echo").id)
    left = farm.submit("echo")
    farm.results.write_log(left.id, log="line")
    folder = HotFolder(farm)
    folder.close()
    farm.sweep()
    assert open_to_others(tmp_path) == []
    bell.close()
    lease.end()
    farm.close()


@pytest.mark.usefixtures("no_umask")
def test_nobody_else_can_open_the_lock_of_the_launcher(farm: Farm) -> None:
    path = Path(farm.spool.root, "launcher.lock")
    path.touch(0o666)  # as an earlier version made it
    launcher = Launcher(farm.settings)
    launcher._be_alone()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(farm.spool.root, "launcher.json").stat().st_mode) == 0o600
    launcher._lock.release()
    launcher._farm.close()


@pytest.mark.needs("root")
def test_a_user_who_may_enter_the_spool_cannot_hold_a_lock(tmp_path: Path) -> None:
    for above in (tmp_path, *tmp_path.parents[:-2]):
        os.chmod(above, 0o711)
    path = tmp_path / "launcher.lock"
    with lock(str(path)):
        pass

    def try_as_somebody() -> bool:
        os.setuid(65534)
        try:
            os.close(os.open(path, os.O_RDONLY))
        except PermissionError:
            return True
        return False

    with Elsewhere(try_as_somebody):
        pass
