"""Extras: what is installed beside the farm itself, each with the libraries that some of its tasks need."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from spoolfarm.errors import NotInstalled

#: Every extra of the package, with the modules without which its tasks do nothing.
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "ocr": ("cv2", "numpy", "onnxruntime", "pikepdf", "pypdfium2", "rapidocr"),
    "segment": ("cv2", "numpy", "torch", "torchvision"),
    "flower": ("cv2", "flwr", "numpy", "torch"),
    "edit": ("cv2", "numpy"),
    "ray": ("grpc", "ray"),
}
#: Stands for all of them.
ALL = "all"
#: The file of an environment in which start.sh notes the extras it was made with.
CHOSEN = "extras"


def installed(extra: str) -> bool:
    """Whether the libraries of *extra* are there; none of them is imported."""
    return all(map(there, LIBRARIES[extra]))


def there(module: str) -> bool:
    """Whether *module* is installed; it is not imported."""
    if module in sys.modules:
        return sys.modules[module] is not None  # Python's own way to say that a module is not to be found
    return _there(module, places())


@functools.lru_cache(maxsize=64)
def _there(module: str, _places: tuple[tuple[str, int], ...]) -> bool:
    return find_spec(module) is not None


def places() -> tuple[tuple[str, int], ...]:
    """The folders in which modules are looked for, and when each was last changed, in ns.

    While they are the same, so is what is found in them: a search takes 8 ms, and a process makes several registries.
    """
    found = []
    for path in sys.path:
        try:
            found.append((path, os.stat(path or ".").st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


def chosen() -> tuple[str, ...] | None:
    """The extras this environment was made with, as start.sh recorded them; None if it did not."""
    try:
        noted = Path(sys.prefix, CHOSEN).read_text().strip()
    except OSError:
        return None
    if noted == ALL:
        return tuple(LIBRARIES)
    return tuple(extra for extra in noted.split(",") if extra in LIBRARIES)


def not_installed(what: str, extra: str) -> NotInstalled:
    """The error that says how to install what *what* needs; start.sh is told to keep what it was told before."""
    before = chosen() or ()
    names = [extra] if len(before) == len(LIBRARIES) else [*before, *({extra} - set(before))]
    return NotInstalled(
        f"{what} is not installed here: pip install 'spoolfarm[{extra}]' (or ./start.sh --extras {','.join(names)})"
    )


def require(what: str, extra: str) -> None:
    """Raise NotInstalled when *what* needs *extra* and that is not there."""
    if not installed(extra):
        raise not_installed(what, extra)
