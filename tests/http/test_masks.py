"""`/predict`: masks as the document says, and directions through the HTTP API."""

from __future__ import annotations

import base64
import io
from typing import Any

import cv2
import numpy as np
import pytest
import requests
from PIL import Image
from pycocotools import mask as coco

from tests.support.drawn_scenes import Mask, bar, between, ellipses, overlap, png
from tests.support.http_requests import at_rest, files_of, refused
from tests.support.pictures import small, text_of
from tests.support.running_farm import RunningFarm, free_port, until

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' own

#: The keys of the document, and what stands beside them.
TOP = {"status", "count", "masks", "counts_encoding", "tiles", "image", "engine", "model", "timing_ms"}
EACH = {"mask_id", "mask_rle", "bbox", "label", "category_id", "score", "area", "centroid", "degree"}


def send(farm: RunningFarm, picture: bytes, **more: Any) -> requests.Response:
    """The picture as the document's multipart example sends it."""
    return requests.post(f"{farm.url}/predict", files={"file": io.BytesIO(picture)}, timeout=60, **more)


def decoded(answer: requests.Response) -> list[Mask]:
    """The masks of an answer as any client decodes them."""
    assert answer.status_code == 200, answer.text
    return [
        coco.decode({**mask["mask_rle"], "counts": base64.b64decode(mask["mask_rle"]["counts"])}) > 0
        for mask in answer.json()["masks"]
    ]


def test_multipart_and_json_give_the_same_masks_in_the_documents_shape(either: RunningFarm) -> None:
    before = at_rest(either)
    picture = png(ellipses(4)[0])
    form = send(either, picture).json()
    body = requests.post(f"{either.url}/predict", json={"image": text_of(picture)}, timeout=60).json()
    assert form["masks"] == body["masks"]
    assert form.keys() == TOP
    assert (form["status"], form["count"]) == ("success", len(form["masks"]))
    for number, mask in enumerate(form["masks"]):
        assert mask.keys() >= EACH
        assert mask["mask_id"] == number
        assert mask["mask_rle"].keys() == {"counts", "size"}
        assert mask["mask_rle"]["size"] == [360, 480]
    until(lambda: files_of(either) == before, what="nothing to be left")


def test_decoded_masks_overlap_the_drawn_ellipses(live: RunningFarm) -> None:
    best = []
    for seed in range(30, 38):
        picture, masks = ellipses(seed)
        found = decoded(send(live, png(picture)))
        best += [max((overlap(mask, each) for each in found), default=0.0) for mask in masks]
    assert len(best) > 20
    assert sum(iou >= 0.7 for iou in best) >= 0.9 * len(best)


def test_masks_of_a_turned_photograph_are_in_the_upright_frame(either: RunningFarm) -> None:
    picture, masks = ellipses(4)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(picture)[:, :, ::-1])).save(file, "JPEG", quality=95, exif=exif)
    answer = send(either, file.getvalue())
    assert answer.json()["masks"][0]["mask_rle"]["size"] == [360, 480]
    found = decoded(answer)
    assert all(max(overlap(mask, each) for each in found) > 0.9 for mask in masks)


def test_parameters_come_beside_the_picture(live: RunningFarm) -> None:
    picture = png(ellipses(4)[0])
    one = send(live, picture, data={"params": '{"max_detections": 1, "polygon": true}'}).json()
    assert one["count"] == 1
    assert len(one["masks"][0]["polygon"][0]) >= 6
    sent = {"image": text_of(picture), "params": {"overlay": True}}
    drawn = requests.post(f"{live.url}/predict", json=sent, timeout=60).json()
    overlay = cv2.imdecode(np.frombuffer(base64.b64decode(drawn["overlay"]), np.uint8), cv2.IMREAD_COLOR)
    assert overlay.shape == (360, 480, 3)


def test_a_picture_without_objects_is_a_success_with_none(either: RunningFarm) -> None:
    answer = send(either, small())
    assert answer.status_code == 200
    assert (answer.json()["count"], answer.json()["masks"]) == (0, [])


def test_a_truncated_picture_is_a_400(live: RunningFarm) -> None:
    picture = png(ellipses(4)[0])
    refused(send(live, picture[: len(picture) // 2]), 400, "damaged or cut short")


@pytest.mark.parametrize("degree", [0, 20, 45, 70, 90, 135])
def test_drawn_bars_come_back_through_the_api(live: RunningFarm, degree: int) -> None:
    picture = png(bar(degree))
    mask = send(live, picture).json()["masks"][0]
    job = {"task": "orient", "image": text_of(picture)}
    record = requests.post(f"{live.url}/v1/jobs", json=job, headers={"Prefer": "wait=30"}, timeout=60).json()
    for found in (mask["degree"], record["result"]["degree"]):
        assert between(found, degree) < 4
        assert -90 < found <= 90


def test_a_job_with_an_overlay_has_it_as_a_file(live: RunningFarm) -> None:
    sent = {"task": "segment", "image": text_of(png(ellipses(4)[0])), "params": {"overlay": True}}
    record = requests.post(f"{live.url}/v1/jobs", json=sent, headers={"Prefer": "wait=30"}, timeout=60).json()
    assert record["files"] == ["overlay.png"]
    file = requests.get(f"{live.url}/v1/jobs/{record['id']}/files/overlay.png", timeout=10)
    assert file.headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(file.content)).size == (480, 360)


def test_the_documents_ports_are_served_by_one_farm(tmp_path_factory: pytest.TempPathFactory) -> None:
    ports = [free_port() for _ in range(3)]
    bind = ",".join(f"127.0.0.1:{port}" for port in ports)
    given = {"FARM_WORKERS": 0, "FARM_SIMULATIONS": 0, "FARM_TIMEOUT": 0.5, "FARM_ENABLE": "segment,orient"}
    farm = RunningFarm(tmp_path_factory.mktemp("ports"), FARM_BIND=bind, **given)
    try:
        farm.start(ready=False)
        for port in ports:
            url = f"http://127.0.0.1:{port}"
            until(lambda url=url: reached(f"{url}/health"), what=farm.log())  # type: ignore[misc]
            assert requests.get(f"{url}/health", timeout=10).json() == {"status": "ok"}
            answer = requests.post(f"{url}/predict", files={"file": small()}, timeout=10)
            assert answer.status_code == 504
            assert answer.headers["Location"].startswith("/v1/jobs/")
            assert requests.post(f"{url}/upload", json={"image": text_of(small())}, timeout=10).status_code == 200
    finally:
        farm.stop()


def reached(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
