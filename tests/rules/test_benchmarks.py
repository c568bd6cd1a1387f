"""The benchmarks: that each can be started; what they measure is no matter of pass and fail on a shared machine."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "def main(" in path.read_text())


@pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")  # Flower's affair
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_all_that_it_uses(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"benchmarks.{name}").main()
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out
