"""What batches that were killed left among the temporary files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from spoolfarm.batch import private_farm
from spoolfarm.batch.private_farm import PrivateFarm
from spoolfarm.config import Settings


def left(path: Path, name: str, *, old: bool = True) -> Path:
    """A directory as a killed batch leaves it."""
    root = path / name
    (root / "spool").mkdir(parents=True)
    (root / private_farm.LOCK).touch()
    if old:
        os.utime(root, (0, 0))
    return root


def test_only_what_a_dead_batch_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = left(tmp_path, "spoolfarm-batch-dead")
    living, young, other = (
        left(tmp_path, name) for name in ("spoolfarm-batch-living", "spoolfarm-batch-young", "mine")
    )
    os.utime(young)
    os.symlink(other, tmp_path / "spoolfarm-batch-link")
    lock = FileLock(living / private_farm.LOCK, fallback_to_soft=False, thread_local=False)
    with lock:
        os.utime(living, (0, 0))
        private_farm._sweep()
    assert not dead.exists()
    assert all((root / "spool").is_dir() for root in (living, young, other))
    assert (tmp_path / "spoolfarm-batch-link").is_symlink()


def test_a_farm_of_its_own_is_there_as_long_as_it_is_used(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with PrivateFarm(settings, 3) as own:
        [root] = tmp_path.glob("spoolfarm-batch-*")
        assert own.farm.spool.root == f"{root}/spool"
        assert own.farm.settings.workers == 3
        assert root.stat().st_mode & 0o777 == 0o700
    assert not list(tmp_path.glob("spoolfarm-batch-*"))
