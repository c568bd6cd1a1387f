"""The libraries inside which the front changes something: another version is named, a missing name stops the front."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from spoolfarm.server import upstream
from spoolfarm.server.upstream import KNOWN, Known
from tests.support.running_farm import ROOT


@pytest.mark.parametrize("library", KNOWN)
def test_every_name_that_is_needed_is_there(library: str, caplog: pytest.LogCaptureFixture) -> None:
    """As if another version were known: then each name is looked for."""
    upstream.check({library: Known("0.1", KNOWN[library].names)})
    assert caplog.messages == [
        f"{library} {metadata.version(library)} is installed; what the front changes inside it was written for 0.1"
    ]


def test_the_known_versions_are_those_that_are_installed_and_pinned(caplog: pytest.LogCaptureFixture) -> None:
    upstream.check()
    assert not caplog.records
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert {f"{library}=={known.version}" for library, known in KNOWN.items()} <= set(pinned)


@pytest.mark.parametrize(
    ("place", "attributes", "missing"),
    [
        ("gunicorn.util", "write_error write_mistake", "gunicorn.util.write_mistake"),
        ("gunicorn.workers.gthread:TConn", "initialized begun", "gunicorn.workers.gthread.TConn.begun"),
        ("gunicorn.workers.gthread:Connection", "close", "gunicorn.workers.gthread.Connection"),
        ("gunicorn.threads", "ThreadWorker", "gunicorn.threads"),
    ],
)
def test_a_missing_name_is_named_and_so_is_what_to_install(place: str, attributes: str, missing: str) -> None:
    with pytest.raises(ImportError, match=f"has no {missing}, which the front needs; install gunicorn==0.1$"):
        upstream.check({"gunicorn": Known("0.1", {place: attributes})})


def test_names_are_not_looked_for_in_the_version_that_is_known() -> None:
    upstream.check({"gunicorn": Known(metadata.version("gunicorn"), {"gunicorn.nowhere": "nothing"})})


#: A front of another Gunicorn, whose connections have the attribute `initialized` no more if they are to lack it.
OTHER = """
import sys
from importlib import metadata
from gunicorn.app.base import BaseApplication
from gunicorn.workers import gthread
from spoolfarm.server import front
known = metadata.version
metadata.version = lambda name: "99.1" if name == "gunicorn" else known(name)
if sys.argv[1] == "lacks":
    class TConn:
        def close(self): ...
    gthread.TConn = TConn
front.Front.run = lambda self: print("it runs")
sys.exit(front.main([]))
"""


@pytest.mark.parametrize("lacks", [False, True])
def test_a_front_of_another_version_warns_and_goes_on_unless_a_name_is_missing(lacks: bool, tmp_path: Path) -> None:
    directories = {f"FARM_{name}_DIR": str(tmp_path / name) for name in ("SPOOL", "RESULTS", "DATA")}
    done = subprocess.run(
        [sys.executable, "-c", OTHER, "lacks" if lacks else "has"],
        env={**os.environ, **directories},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    warned, *said = done.stderr.splitlines()
    assert "gunicorn 99.1 is installed" in warned
    assert "27.0.1" in warned
    if lacks:
        assert said == [
            "server.py: gunicorn 99.1 has no gunicorn.workers.gthread.TConn.initialized, which the front needs; "
            "install gunicorn==27.0.1"
        ]
        assert (done.returncode, done.stdout) == (1, "")
    else:
        assert (done.returncode, done.stdout, said) == (0, "it runs\n", [])


def test_the_warning_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    upstream.check({"gunicorn": Known("0.1", {})})
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "spoolfarm.server.upstream")
