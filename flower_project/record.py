"""The record of a run: a folder with result.json, the best weights, and what it takes to continue.

global_models/<Model>_<YYYYmmdd-HHMMSS>[-n]/
    result.json       settings, rounds, status; replaced whole after every round
    best_model.pth    a plain state_dict: the weights of the round that did best on the validation part
    state.pth         the weights of the last round and the strategy's own state, for --resume
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from settings import FIXED, Settings

if TYPE_CHECKING:
    from torch import Tensor

#: Where runs are written unless told otherwise.
RUNS = Path(__file__).with_name("global_models")


def say(line: str) -> None:
    """Print *line* at once: whoever follows a run reads its standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Record:
    """One run on disk. As a context it ends as completed, stopped or failed, by how its block is left."""

    def __init__(self, settings: Settings) -> None:
        self.state: dict[str, Any] = {}
        if settings.resume:
            self.folder = Path(settings.resume).resolve()
            self.result = _continued(self.folder, settings)
            self.state = _loaded(self.folder / "state.pth")
        else:
            self.folder = _new_folder(Path(settings.out) if settings.out else RUNS, settings.model)
            self.result = {"model": settings.model}
            self.result |= {name: [] for name in ("rounds", "accuracies", "losses", "seconds", "clients")}
            self.result["test_accuracy"] = None
        self._before = sum(self.result["seconds"])
        self._start = time.monotonic()
        self._lock = threading.Lock()  # engine ray: the rounds run in a thread of Flower's
        self._open = True
        self.result |= {"status": "running", "pid": os.getpid(), "settings": settings.record()}
        self.result.pop("job", None)  # of the run that this one continues
        if job := os.environ.get("SPOOLFARM_JOB"):
            self.result["job"] = job
        self.result["started"] = datetime.now().astimezone().isoformat(timespec="seconds")

    def __enter__(self) -> Record:
        self._write()
        say(f"writing to {self.folder}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._lock:
            self._open = False
            self.result["status"] = (
                "completed" if kind is None else "failed" if isinstance(error, Exception) else "stopped"
            )
            if isinstance(error, Exception):
                self.result["error"] = f"{type(error).__name__}: {error}"
            del self.result["pid"]
            self._write()

    @property
    def done(self) -> int:
        """Rounds that are over."""
        return len(self.result["rounds"])

    def describe(self, **facts: Any) -> None:
        """Add what is known once the data is loaded."""
        self.result |= facts

    def add(
        self,
        accuracy: float,
        loss: float,
        *,
        seconds: float,
        clients: list[dict[str, Any]],
        weights: Mapping[str, Tensor],
        strategy: Mapping[str, Any],
    ) -> None:
        """Write one more round: its figures, its weights when they are the best so far, and the state to go on from."""
        with self._lock:
            if not self._open:
                raise RuntimeError("the run has been stopped")
            number = self.done + 1
            figures = {"rounds": number, "accuracies": figure(accuracy), "losses": figure(loss), "clients": clients}
            for name, value in (figures | {"seconds": round(seconds, 3)}).items():
                self.result[name].append(value)
            self.result["best_round"] = best(self.result)
            if self.result["best_round"] == number:
                save(self.folder / "best_model.pth", dict(weights))
            self._write()
            save(self.folder / "state.pth", {"round": number, "weights": dict(weights), "strategy": dict(strategy)})

    def best_weights(self) -> dict[str, Tensor]:
        """The weights in best_model.pth."""
        return _loaded(self.folder / "best_model.pth")

    def _write(self) -> None:
        self.result["total_training_time"] = duration(self._before + time.monotonic() - self._start)
        lines = (f" {json.dumps(name)}: {_json(value)}" for name, value in self.result.items())
        text = "{\n" + ",\n".join(lines) + "\n}\n"  # a line for each key: to be read by people, too
        replace(self.folder / "result.json", lambda path: path.write_text(text, encoding="utf-8"))


def read_result(folder: Path) -> dict[str, Any]:
    """The result.json in *folder*."""
    try:
        result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"resume {folder}: {error.strerror}") from error
    return result


def resumed(given: Mapping[str, Any]) -> Settings:
    """The settings of the run in the folder given["resume"], with what else is *given*."""
    earlier = read_result(Path(given["resume"]))["settings"]
    settings = Settings.read(earlier | given)
    for name in FIXED:
        if getattr(settings, name) != earlier[name]:
            raise ValueError(f"{name} {getattr(settings, name)}: the run to continue has {earlier[name]}")
    return settings


def _continued(folder: Path, settings: Settings) -> dict[str, Any]:
    """The result so far, less what came after the last state that was written."""
    result = read_result(folder)
    if result["status"] == "running" and _alive(result.get("pid", 0)):
        raise ValueError(f"resume {folder}: process {result['pid']} is still at it")
    try:
        done = _loaded(folder / "state.pth")["round"]
    except FileNotFoundError:
        raise ValueError(f"resume {folder}: not one round of it was finished") from None
    if done >= settings.rounds:
        raise ValueError(f"rounds {settings.rounds}: {folder} has {done} already; ask for more")
    for name in ("rounds", "accuracies", "losses", "seconds", "clients"):
        del result[name][done:]
    result["best_round"] = best(result)
    result.pop("error", None)
    return result


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0) if pid else None
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return bool(pid)


def best(result: Mapping[str, Any]) -> int:
    """The round of the highest accuracy; of equals, that of the lowest loss."""
    rows = zip(result["accuracies"], result["losses"], result["rounds"], strict=True)
    _, _, number = max(rows, key=lambda row: (row[0], -math.inf if row[1] is None else -row[1]))
    return int(number)


def save(path: Path, value: Any) -> None:
    """torch.save, in one step as others see it."""
    import torch

    replace(path, lambda temporary: torch.save(value, temporary))


def _loaded(path: Path) -> dict[str, Any]:
    import torch  # a process that only waits for its clients' machines needs none

    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def replace(path: Path, write: Any) -> None:
    """Let *write* make a file beside *path*, then put it in its place."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except BaseException:  # a stop may come at any moment
        temporary.unlink(missing_ok=True)
        raise


def duration(seconds: float) -> str:
    """How people say it: 12.3 seconds, 2 minutes 5 seconds, 2 hours 30 minutes."""
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    if seconds < 3600:
        return f"{_count(int(seconds) // 60, 'minute')} {_count(int(seconds) % 60, 'second')}"
    return f"{_count(int(seconds) // 3600, 'hour')} {_count(int(seconds) % 3600 // 60, 'minute')}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def figure(value: float) -> float | None:
    """*value* for result.json, which has no word for infinity and no number that is none."""
    return round(value, 6) if math.isfinite(value) else None


def _new_folder(parent: Path, model: str) -> Path:
    name = f"{model}_{datetime.now():%Y%m%d-%H%M%S}"
    for number in range(1, 1000):
        folder = parent.resolve() / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue  # another run began in the same second
        except OSError as error:
            raise ValueError(f"out {parent}: {error.strerror}") from error
        return folder
    raise RuntimeError(f"a thousand runs began in one second in {parent}")
