"""The forms of the documentation page work as they are filled, once a file is chosen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.pictures import small
from tests.support.running_farm import RunningFarm

pytestmark = pytest.mark.needs("chromium", "libatomic.so.1")  # the latter by the program that steers the former


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that finds objects without a net."""
    tasks = {"FARM_ENABLE": "echo,edit,orient,segment", "FARM_SEGMENT_MODEL": "classical"}
    with RunningFarm(tmp_path_factory.mktemp("farm"), FARM_SIMULATIONS=0, **tasks) as made:
        yield made


@pytest.fixture(scope="module")
def page(farm: RunningFarm) -> Iterator[Page]:
    """The documentation in a browser; it takes seconds to draw."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        made = browser.new_page()
        made.set_default_timeout(30_000)
        made.goto(f"{farm.url}/docs")
        yield made
        browser.close()


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/run/echo", "run-run_run_echo"),
        ("/v1/run/edit", "run-run_run_edit"),
        ("/predict", "masks-masks_predict"),
        ("/upload", "uploads-uploads_upload"),
        ("/v1/jobs", "jobs-jobs_create"),
    ],
)
def test_a_form_is_answered_well_as_it_is_filled_in_each_of_its_kinds(
    farm: RunningFarm, page: Page, tmp_path: Path, path: str, operation: str
) -> None:
    (tmp_path / "a.png").write_bytes(small())
    face = page.locator(f"#operations-{operation}")
    face.locator(".opblock-summary-control").click()
    face.get_by_text("Try it out").click()
    for kind in ("application/json", "multipart/form-data", "application/octet-stream"):
        face.locator(".opblock-section-request-body select").first.select_option(kind)
        if kind != "application/json":
            face.locator("input[type=file]").first.set_input_files(tmp_path / "a.png")
        if (path, kind) == ("/v1/jobs", "application/octet-stream"):
            face.locator('tr[data-param-name="task"] input').fill("edit")
        with page.expect_response(lambda answer: answer.url.startswith(farm.url + path)) as answer:
            face.locator("button.execute").click()
        assert answer.value.request.headers["content-type"].partition(";")[0] == kind
        assert answer.value.status in (200, 202), answer.value.text()
    face.locator(".opblock-summary-control").click()
