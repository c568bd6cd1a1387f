"""Documents over HTTP: wherever a page is taken, a PDF is too."""

from __future__ import annotations

import base64
import io
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pikepdf
import pytest
from PIL import Image

from benchmarks import books
from spoolfarm.client.client import Client
from tests.support import pictures
from tests.support.running_farm import RunningFarm, until

ROWS = ["What stands on a drawn page", "is found without reading"]


def drawn(count: int = 2) -> bytes:
    """A PDF of *count* pages with letters, which are quick."""
    pdf = pikepdf.new()
    for number in range(count):
        books.add_drawn(pdf, [*ROWS, f"page {number + 1}"])
    return books.written(pdf)


TEXT = "\n\f".join("\n".join([*ROWS, f"page {number}"]) for number in (1, 2))


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    with RunningFarm(tmp_path_factory.mktemp("documents"), FARM_ENABLE="ocr,document", FARM_SIMULATIONS=0) as made:
        yield made
    assert "Traceback" not in made.log(), made.log()


def sent(pdf: bytes) -> dict[str, Any]:
    return {"task": "ocr", "image": base64.b64encode(pdf).decode()}


def test_a_pdf_sent_to_ocr_becomes_a_document_with_its_files(farm: RunningFarm) -> None:
    status, record = farm.post("/v1/jobs", sent(drawn()), Prefer="wait=60")
    assert (status, record["status"], record["task"]) == (200, "succeeded", "document")
    assert record["result"]["text"] == TEXT
    assert [page["source"] for page in record["result"]["pages"]] == ["text", "text"]
    assert record["result"]["page_count"] == 2
    found = {}
    for name in record["files"]:
        with urllib.request.urlopen(f"{farm.url}/v1/jobs/{record['id']}/files/{name}", timeout=20) as answer:
            found[name] = (answer.headers["Content-Type"], answer.read())
    assert found["document.pdf"][0] == "application/pdf"
    assert found["document.pdf"][1].startswith(b"%PDF")
    assert found["document.txt"] == ("text/plain; charset=utf-8", (TEXT + "\n\f").encode())
    assert found["document.hocr.html"][0] == "text/html; charset=utf-8"
    assert found["document.alto.xml"][0].split(";")[0] in ("application/xml", "text/xml")
    assert found["document.json"][0] == "application/json"


def test_a_synchronous_call_gives_the_text_and_leaves_nothing(farm: RunningFarm) -> None:
    status, result = farm.post("/v1/run/ocr", {**sent(drawn()), "params": {"pages": "2"}}, Prefer="wait=60")
    assert (status, result["text"]) == (200, TEXT.split("\f")[1])
    until(lambda: not farm.farm.jobs(task="ocr"), what="the worker to take the pages away")


def test_tyocr_takes_a_pdf(farm: RunningFarm) -> None:
    form = urllib.parse.urlencode({"imgbase64": base64.b64encode(drawn()).decode()}).encode()
    status, body = farm.ask(urllib.request.Request(f"{farm.url}/tyocr", form))
    assert (status, body) == (200, {"sign": 0, "text": f"{TEXT}\n"})


def test_the_client_takes_a_pdf_and_fetches_what_becomes_of_it(farm: RunningFarm) -> None:
    client = Client(farm.url)
    job = client.submit("document", drawn(), outputs=["pdf"], pages="1")
    assert job.wait(60)["text"] == TEXT.split("\n\f")[0]
    with pikepdf.open(io.BytesIO(job.file("document.pdf"))) as pdf:
        assert len(pdf.pages) == 1


@pytest.mark.parametrize(
    ("pdf", "params", "status", "code", "says"),
    [
        (b"%PDF-1.4 and no more", {}, 400, "broken_image", "the PDF is damaged"),
        (drawn(1)[:200], {}, 400, "broken_image", "damaged"),
        (drawn(), {"pages": "3-"}, 422, "invalid_params", "params.pages"),
        (drawn(), {"password": 5}, 422, "invalid_params", "params.password"),
        (drawn(), {"pages": "x"}, 422, "invalid_params", "params.pages"),
        (drawn(), {"outputs": ["docx"]}, 422, "invalid_params", "params.outputs"),
        (b"neither picture nor document", {}, 415, "unsupported_media", "PDF"),
        (drawn(), {"dpi": 5}, 422, "invalid_params", "params.dpi"),
    ],
)
def test_what_is_wrong_is_said(
    farm: RunningFarm, pdf: bytes, params: dict[str, Any], status: int, code: str, says: str
) -> None:
    found, body = farm.post("/v1/run/ocr", {**sent(pdf), "params": params}, Prefer="wait=60")
    assert (found, body["code"]) == (status, code)
    assert says in body["error"]


def test_an_encrypted_pdf_wants_a_password_and_opens_with_it(farm: RunningFarm) -> None:
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(drawn())) as pdf:
        pdf.save(file, encryption=pikepdf.Encryption(owner="o", user="sesame"))
    status, body = farm.post("/v1/run/ocr", sent(file.getvalue()), Prefer="wait=60")
    assert (status, body["code"]) == (422, "invalid_params")
    assert "params.password" in body["error"]
    right = {**sent(file.getvalue()), "params": {"password": "sesame"}}
    assert farm.post("/v1/run/ocr", right, Prefer="wait=60")[1]["text"] == TEXT


def test_a_picture_may_have_files_made_of_it_too(farm: RunningFarm) -> None:
    body = {"task": "ocr", "image": pictures.text_of(pictures.page(["Hello there"])), "params": {"outputs": ["pdf"]}}
    status, record = farm.post("/v1/jobs", body, Prefer="wait=60")
    assert (status, record["task"], record["files"]) == (200, "ocr", ["document.pdf"])
    assert record["result"]["text"] == "Hello there"


def test_a_tiff_of_many_pages_becomes_a_pdf_of_its_pictures(farm: RunningFarm) -> None:
    pages = [Image.open(io.BytesIO(pictures.page([word]))).convert("L") for word in ("First", "Second", "Third")]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    body = {"task": "document", "image": base64.b64encode(file.getvalue()).decode(), "params": {"pages": "1,3"}}
    status, record = farm.post("/v1/jobs", body, Prefer="wait=60")
    assert (status, record["result"]["text"], record["result"]["page_count"]) == (200, "First\n\fThird", 3)
    job = farm.farm.results.file(record["id"], "document.pdf")
    with pikepdf.open(job) as pdf:
        shown = [pikepdf.PdfImage(page.obj.Resources.XObject.Picture).as_pil_image() for page in pdf.pages]
    assert [image.tobytes() for image in shown] == [pages[0].tobytes(), pages[2].tobytes()]


def test_documents_wait_their_turn_and_none_is_lost(farm: RunningFarm) -> None:
    jobs = [farm.farm.submit("document", drawn(1), outputs=["text"]) for _ in range(4)]
    until(lambda: all(job.status() == "succeeded" for job in jobs), 60)
    assert {job.record()["result"]["text"] for job in jobs} == {TEXT.split("\n\f")[0]}
