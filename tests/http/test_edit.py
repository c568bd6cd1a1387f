"""`/v1/edit`: a picture in, the edited picture out."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from spoolfarm.client.client import Client
from spoolfarm.images import decode
from tests.support.http_requests import at_rest, files_of, multipart, refused
from tests.support.pictures import grain, small
from tests.support.running_farm import RunningFarm, until


def ask(farm: RunningFarm, *parts: tuple[str, Any]) -> requests.Response:
    """POST *parts*."""
    sent = multipart(*parts)
    headers = {"Content-Type": sent["content_type"]}
    return requests.post(f"{farm.url}/v1/edit", data=sent["data"], headers=headers, timeout=60)


def test_the_answer_is_the_picture_and_nothing_is_left(live: RunningFarm) -> None:
    before = at_rest(live)
    answer = ask(live, ("image", ("x.png", small())), ("operations", "resize=2"), ("operations", "crop=0,0,30,30"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert 'filename="edited.png"' in answer.headers["Content-Disposition"]
    assert decode(answer.content).shape == (30, 30, 3)
    until(lambda: files_of(live) == before, what="nothing to be left")


@pytest.mark.parametrize(
    ("suffix", "mimetype"),
    [("jpg", "image/jpeg"), ("PNG", "image/png"), ("webp", "image/webp"), ("bmp", "image/bmp"), ("tif", "image/tiff")],
)
def test_a_format_can_be_chosen(live: RunningFarm, suffix: str, mimetype: str) -> None:
    answer = ask(live, ("file", ("x.png", small())), ("format", suffix))
    assert answer.headers["Content-Type"] == mimetype
    assert decode(answer.content).shape == (20, 40, 3)


def test_several_pictures_come_as_a_zip_in_reading_order(live: RunningFarm) -> None:
    whole = grain("PNG")
    answer = ask(live, ("image", ("x.png", whole)), ("operation", "split=1"))
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["edited_1.png", "edited_2.png", "edited_3.png", "edited_4.png"]
        assert np.array_equal(decode(packed.read("edited_2.png")), decode(whole)[:100, 100:])


@pytest.mark.parametrize("kernel", ["20001", "100001", "999999999999999999"])
def test_a_kernel_larger_than_any_picture_is_answered_at_once(live: RunningFarm, kernel: str) -> None:
    workers = set(live.workers())
    answer = ask(live, ("image", ("x.png", small())), ("operations", f"blur={kernel}"), ("format", "png"))
    assert answer.status_code == 200
    assert np.ptp(decode(answer.content), axis=(0, 1)).max() == 0  # the mean everywhere
    assert set(live.workers()) == workers


def test_what_an_edit_comes_to_is_refused_by_name(live: RunningFarm) -> None:
    many = [("operations", "resize=100"), *[("operations", "flip=h")] * 70]
    answer = ask(live, ("image", ("x.png", small())), *many)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params")
    assert answer.json()["error"].startswith("operations: ")


def test_an_empty_operation_of_a_form_is_none(live: RunningFarm) -> None:
    assert ask(live, ("image", ("x.png", small())), ("operations", "")).status_code == 200


@pytest.mark.needs("curl")
def test_curl_writes_the_picture_to_a_file(live: RunningFarm, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(small())
    command = ["curl", "-sf", "-F", "image=@a.png", "-F", "operations=resize=3", f"{live.url}/v1/edit", "-o", "out.png"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert decode((tmp_path / "out.png").read_bytes()).shape == (60, 120, 3)


def test_the_same_goes_as_a_job(live: RunningFarm) -> None:
    job = Client(live.url).submit("edit", grain("PNG"), operations=["split=1"], format="jpg")
    assert [picture["width"] for picture in job.wait(20)["pictures"]] == [100] * 4
    assert decode(job.file("edited_4.jpg")).shape == (100, 100, 3)


def test_what_comes_to_too_much_is_422_and_a_damaged_picture_400(live: RunningFarm) -> None:
    refused(
        ask(live, ("image", ("a", small())), ("operations", "resize=100"), ("operations", "resize=100")), 422, "pixels"
    )
    refused(ask(live, ("image", ("a", grain("PNG")[:9000]))), 400)


def test_no_upload_is_written_into_the_data_folder_unless_asked(live: RunningFarm) -> None:
    before = set(os.listdir(live.given["FARM_DATA_DIR"])) if os.path.isdir(live.given["FARM_DATA_DIR"]) else set()
    ask(live, ("image", ("a.png", small())))
    assert set(os.listdir(live.given["FARM_DATA_DIR"]) if before else []) == before
    job = Client(live.url).submit("edit", small(), output="uploaded/a.jpg")
    assert job.wait(20)["pictures"][0]["name"] == "uploaded/a.jpg"
    assert decode(Path(live.given["FARM_DATA_DIR"], "uploaded/a.jpg").read_bytes()).shape == (20, 40, 3)
