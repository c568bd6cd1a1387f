"""What the tests call beyond Python and the Debian packages that bring it; run, it prints the packages missing here."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

#: Programs, each with its package.
PROGRAMS = {
    "chromium": "chromium",
    "curl": "curl",
    "fc-match": "fontconfig",
    "file": "file",
    "jq": "jq",
    "mkfs.ext4": "e2fsprogs",
    "node": "nodejs",
    "nginx": "nginx",
    "openssl": "openssl",
    "pdfimages": "poppler-utils",
    "pdftoppm": "poppler-utils",
    "pdftotext": "poppler-utils",
    "promtool": "prometheus",
    "qpdf": "qpdf",
    "rsync": "rsync",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "ssh-keygen": "openssh-client",
    "systemd-analyze": "systemd",
    "tesseract": "tesseract-ocr",
    "unshare": "util-linux",
    "unzip": "unzip",
}
#: Families of fonts.
FONTS = {
    "DejaVu Sans": "fonts-dejavu-core",
    "DejaVu Serif": "fonts-dejavu-core",
    "Noto Sans CJK SC": "fonts-noto-cjk",
    "Noto Serif CJK SC": "fonts-noto-cjk",
}
#: Shared libraries.
LIBRARIES = {"libatomic.so.1": "libatomic1"}
#: Modules of Python that Debian ships apart.
MODULES = {"ensurepip": "python3-venv"}
#: Languages of Tesseract, by the files that have them.
LANGUAGES = {"rus.traineddata": "tesseract-ocr-rus"}
PACKAGES = {**PROGRAMS, **FONTS, **LIBRARIES, **MODULES, **LANGUAGES}
#: Where Debian puts programs for root, which an ordinary user's PATH leaves out.
SYSTEM = "/usr/sbin:/sbin"
#: What a test may need that no package brings.
ROOT = "root"


class Missing(Exception):
    """Some of what a test says that it needs is not there."""

    def __init__(self, *names: str) -> None:
        super().__init__("; ".join(map(advice, names)))
        self.names = names


def advice(name: str) -> str:
    """Why a test that needs *name* cannot run, and what would help."""
    return f"{name} is missing: apt install {PACKAGES[name]}" if name != ROOT else "needs root"


@functools.cache
def found(name: str) -> bool:
    """Whether *name*, from one of the tables or root, is there. Raises KeyError when no table has it."""
    if name == ROOT:
        return os.geteuid() == 0
    if name in FONTS:
        return found("fc-match") and name in _family(name)
    if name in LIBRARIES:
        return _loads(name)
    if name in MODULES:
        return importlib.util.find_spec(name) is not None
    if name in LANGUAGES:
        return any(Path("/usr/share/tesseract-ocr").glob(f"*/tessdata/{name}"))
    if name not in PROGRAMS:
        raise KeyError(name)
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM}") is not None


def _family(font: str) -> list[str]:
    """The names of the family that fontconfig takes for *font*."""
    asked = ["fc-match", "-f", "%{family}", font]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split(",")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def needed(error: BaseException) -> tuple[str, ...]:
    """What is not there, when *error* comes of that."""
    if isinstance(error, Missing):
        return error.names
    if isinstance(error, FileNotFoundError) and error.filename in PACKAGES and not found(error.filename):
        return (error.filename,)
    return ()


def missing() -> list[str]:
    """The packages of which something is not there."""
    return sorted({package for name, package in PACKAGES.items() if not found(name)})


if __name__ == "__main__":
    sys.stdout.write(f"{' '.join(missing())}\n")
