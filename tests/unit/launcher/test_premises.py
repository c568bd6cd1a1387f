"""What a farm needs to start: addresses that do not stand in each other's way, and folders that can be its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from spoolfarm.config import Address, load
from spoolfarm.errors import SettingError
from spoolfarm.launcher import premises


@pytest.mark.parametrize("others", ["127.0.0.1", "0.0.0.0"])
def test_addresses_that_stand_in_each_others_way_are_refused_and_free_ones_left_free(others: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        premises.check_addresses([Address("127.0.0.1", port)])
    with pytest.raises(SettingError, match=f"FARM_BIND={others}:{port}: cannot listen there: Address already in use"):
        premises.check_addresses([Address("127.0.0.1", port), Address(others, port)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FARM_RESULTS_DIR", "spool"),
        ("FARM_RESULTS_DIR", "link"),
        ("FARM_RESULTS_DIR", "spool/inbox"),
        ("FARM_RESULTS_DIR", "spool/inbox/ocr"),
        ("FARM_DATA_DIR", "spool/inbox/ocr/data"),
        ("FARM_RUN_DIR", "spool/inbox"),
    ],
)
def test_a_farm_that_would_write_into_its_hot_folder_does_not_start(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "link").symlink_to("spool")
    with pytest.raises(SettingError, match=f"{name}=.*{value}: is in the hot folder"):
        premises.check_inbox(load({"FARM_HOME": str(tmp_path), name: value}))
    for good in ("spool/other", "spool/inboxes"):
        premises.check_inbox(load({"FARM_HOME": str(tmp_path), name: good}))


@pytest.mark.parametrize("name", ["FARM_SPOOL_DIR", "FARM_RESULTS_DIR"])
def test_a_folder_that_cannot_be_one_is_told_by_its_setting(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    settings = load({"FARM_HOME": str(tmp_path), name: "file"})
    with (
        pytest.raises(SettingError, match=f"{name}={tmp_path}/file: cannot be used: Not a directory"),
        premises.named(settings),
    ):
        (tmp_path / "file" / "tmp").mkdir()
    with pytest.raises(FileNotFoundError), premises.named(settings):
        (tmp_path / "filed" / "tmp").mkdir()
