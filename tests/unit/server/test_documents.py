"""Documents that a front refuses."""

from __future__ import annotations

import pikepdf

from benchmarks import books
from tests.support.http_requests import refused
from tests.support.pictures import text_of
from tests.unit.server.conftest import Make


def test_the_front_refuses_a_pdf_for_other_tasks_and_without_documents(make: Make) -> None:
    pdf = pikepdf.new()
    pdf.add_blank_page()
    body = {"task": "ocr", "image": text_of(books.written(pdf))}
    answer = make(FARM_ENABLE="ocr,echo").post("/v1/jobs", json=body)
    assert refused(answer, 415, "FARM_ENABLE")["code"] == "unsupported_media"
