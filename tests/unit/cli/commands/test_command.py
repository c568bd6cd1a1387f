"""The installed command, and the page about it."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spoolfarm.cli.commands import complain
from spoolfarm.cli.main import VERBS
from spoolfarm.farm.farm import Farm
from tests.support.command_tasks import succeed
from tests.support.running_farm import ROOT, until


def spoolfarm(*words: str, **options: Any) -> subprocess.Popen[str]:
    """The installed command."""
    command = [str(Path(sys.executable).parent / "spoolfarm"), *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_ctrl_c_ends_a_wait_quietly_with_130_and_the_job_goes_on(farm: Farm) -> None:
    with spoolfarm("submit", "echo", "--wait") as process:
        [job] = until(farm.jobs, what="the job to be queued")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 130
    assert farm.record(job["id"])["status"] == "queued"


def test_a_reader_that_goes_away_is_no_traceback(farm: Farm) -> None:
    job_id = farm.submit("echo").id
    succeed(farm, job_id, "x" * 200_000)
    with spoolfarm("result", job_id) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr.read() == ""


def test_help_loads_nothing_heavy() -> None:
    check = """
import sys
from spoolfarm.cli.main import VERBS, main
try:
    main(["--help"])
except SystemExit:
    print([name for name in ("torch", "cv2", "numpy", "PIL", "pydantic", "flask", "filelock") if name in sys.modules])
"""
    said = subprocess.check_output([sys.executable, "-c", check], cwd=ROOT, text=True, timeout=60)
    assert said.splitlines()[-1] == "[]"


# The page about it.


@pytest.mark.usefixtures("worker")
def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pillow.new("RGB", (40, 30)).save(tmp_path / "scan.jpg")
    page = (ROOT / "docs/cli.md").read_text()
    program = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = subprocess.check_output(
        ["bash", "-euc", program],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=110,
    )
    assert said.count("line one\nline two") == 3
    assert said.count("removed ") + said.count("would remove ") == 3
    assert "spool can be written" in said


def test_the_page_has_a_section_for_every_verb() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    assert sorted(re.findall(r"^## (\w+)", page, re.MULTILINE)) == sorted(VERBS)


def test_a_copy_that_fails_names_both_files(capsys: pytest.CaptureFixture[str]) -> None:
    complain(OSError(errno.ENOSPC, "No space left on device", "results/a.pdf", None, "out/a.pdf"))
    assert capsys.readouterr().err == "spoolfarm: results/a.pdf to out/a.pdf: No space left on device\n"
