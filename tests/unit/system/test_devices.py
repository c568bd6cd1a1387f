"""Devices are dealt in turn; on a machine without any, that is told by the names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from spoolfarm.system.devices import dealt


def test_each_worker_gets_a_device_of_the_machine_in_turn(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert [dealt(number, None, str(tmp_path)) for number in range(1, 6)] == ["0", "1", "2", "0", "1"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("4,7", ["4", "7", "4"]),
        ("GPU-8932f937, GPU-d72d1b5f", ["GPU-8932f937", "GPU-d72d1b5f", "GPU-8932f937"]),
        ("3", [None, None, None]),
        ("", [None, None, None]),
    ],
)
def test_of_the_devices_that_are_named_only_those_are_dealt(named: str, expected: list[str | None]) -> None:
    assert [dealt(number, named) for number in (1, 2, 3)] == expected


def test_a_machine_with_one_device_or_none_is_left_as_it_is(tmp_path: Path) -> None:
    assert dealt(1, None, str(tmp_path)) is None
    (tmp_path / "nvidia0").touch()
    assert dealt(2, None, str(tmp_path)) is None
