"""A running farm's hot folder, and pictures to drop into it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.pictures import encoded
from tests.support.running_farm import RunningFarm, until

#: How often each way of dropping a file is tried.
TIMES = 20


class Hot:
    """A running farm's hot folder."""

    def __init__(self, farm: RunningFarm) -> None:
        self.farm = farm
        self.inbox = Path(farm.given["FARM_SPOOL_DIR"]) / "inbox"
        self.out = Path(farm.given["FARM_RESULTS_DIR"]) / "inbox"

    def answers(self, folder: str) -> dict[str, Any]:
        """The records below *folder*, by the path of what they answer."""
        top = self.out / folder
        return {str(path.relative_to(top))[:-5]: json.loads(path.read_bytes()) for path in top.rglob("*.json")}

    def count(self, folder: str) -> int:
        """How many answers there are below *folder*."""
        return sum(name.endswith(".json") for _, _, names in os.walk(self.out / folder) for name in names)

    def left(self, folder: str = "") -> list[str]:
        """The files that are still in the inbox."""
        return [str(path) for path in (self.inbox / folder).rglob("*") if not path.is_dir()]

    def wait(self, folder: str, number: int, seconds: float = 30.0) -> dict[str, Any]:
        """The answers below *folder* when there are *number* of them and everything has left the inbox."""
        until(lambda: self.count(folder) >= number, seconds, f"{number} answers; {self.farm.log_path}")
        until(lambda: not self.left(folder), seconds, f"all files to leave; {self.farm.log_path}")
        return self.answers(folder)

    def processes(self) -> list[int]:
        """The process ids of the hot folder: one, or none."""
        return self.farm.called(b"spoolfarm.hotfolder")


def pictures(folder: Path, number: int = TIMES) -> list[Path]:
    """Files in *folder*, each another small picture."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for at in range(number):
        made.append(folder / f"{at:03}.png")
        made[-1].write_bytes(encoded(Image.effect_noise((60 + at, 60), 80)))
    return made


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
