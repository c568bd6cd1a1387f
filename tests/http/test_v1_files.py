"""`/v1/jobs/<id>/files/<name>`: the files of a result, from the worker that made them to whoever asks."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator

import pytest

from spoolfarm import errors
from spoolfarm.client.client import Client
from tests.support.running_farm import RunningFarm, until


@pytest.fixture(scope="module")
def packing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    path = tmp_path_factory.mktemp("packing")
    farm = RunningFarm(
        path, FARM_WORKERS=1, FARM_TASKS="packing=tests.support.rude_tasks:Packing", FARM_ENABLE="packing"
    )
    try:
        yield farm.start()
    finally:
        farm.stop()


def test_a_client_gets_the_files_of_a_result(packing: RunningFarm) -> None:
    job = Client(packing.url).submit("packing")
    assert job.wait(20) == {"files": 2}
    assert job.record()["files"] == ["large.bin", "note.txt"]
    assert job.file("note.txt").decode() == "纸"
    assert job.file("large.bin") == b"L" * 100_000
    with pytest.raises(errors.UnknownFile):
        job.file("other")
    with pytest.raises(errors.UnknownFile):
        job.file("large.bin ")


def test_a_file_says_its_type_and_runs_no_script(packing: RunningFarm) -> None:
    job = Client(packing.url).submit("packing")
    job.wait(20)
    with urllib.request.urlopen(f"{packing.url}/v1/jobs/{job.id}/files/note.txt") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_a_library_user_gets_the_same_files(packing: RunningFarm) -> None:
    job = packing.farm.submit("packing")
    job.wait(20)
    assert job.file("note.txt").decode() == "纸"


def test_who_waits_for_the_answer_gets_the_files_with_it_and_nothing_stays(packing: RunningFarm) -> None:
    before = sorted(os.listdir(packing.farm.results.root))
    answer = packing.farm.answer(packing.farm.prepare("packing", [], {}))
    assert answer.value == {"files": 2}
    assert answer.files == {"large.bin": b"L" * 100_000, "note.txt": "纸".encode()}
    assert sorted(os.listdir(packing.farm.results.root)) == before
    until(lambda: not os.listdir(f"{packing.farm.results.root}/tmp"))  # a result is seen before its worker tidies up
