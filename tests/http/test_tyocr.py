"""`/tyocr`: a page in, its lines out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests

from tests.support.http_requests import at_rest, files_of, refused
from tests.support.pictures import grain, page, small, text_of
from tests.support.running_farm import RunningFarm, until

LINES = ["Invoice 2026-118", "Total 1240.00"]


def lines(text: str) -> list[str]:
    """The lines of *text* without blanks, which a recogniser may see or not."""
    return ["".join(line.split()) for line in text.splitlines()]


def ask(farm: RunningFarm, sent: str) -> requests.Response:
    """POST the form."""
    return requests.post(f"{farm.url}/tyocr", data={"imgbase64": sent}, timeout=60)


def test_a_get_says_to_use_post(live: RunningFarm) -> None:
    answer = requests.get(f"{live.url}/tyocr", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "please use post" in answer.text


def test_a_page_answers_its_lines_and_leaves_nothing_behind(live: RunningFarm) -> None:
    before = at_rest(live)
    answer = ask(live, text_of(page(LINES)))
    assert answer.status_code == 200
    assert answer.json().keys() == {"sign", "text"}
    assert answer.json()["sign"] == 0
    assert lines(answer.json()["text"]) == lines("\n".join(LINES))
    until(lambda: files_of(live) == before, what="nothing to be left")


def test_16_pages_at_once_each_get_their_own_lines(live: RunningFarm) -> None:
    before = at_rest(live)
    wanted = [[f"page number {1000 + 37 * number}", f"worth {9000 - 53 * number} units"] for number in range(16)]
    sent = [text_of(page(each)) for each in wanted]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: ask(live, text), sent))
    assert [answer.json()["sign"] for answer in answers] == [0] * 16
    assert [lines(answer.json()["text"]) for answer in answers] == [lines("\n".join(each)) for each in wanted]
    until(lambda: files_of(live) == before, what="nothing to be left")


def test_without_a_worker_it_says_time_out_in_time_and_leaves_nothing_behind(idle: RunningFarm) -> None:
    before = files_of(idle)
    answer = ask(idle, text_of(small()))
    assert (answer.status_code, answer.json()) == (200, {"sign": -1, "text": "time out"})
    assert 1 <= answer.elapsed.total_seconds() < 2
    until(lambda: files_of(idle) == before, what="nothing to be left")


def test_a_truncated_picture_is_told_in_both_manners(live: RunningFarm) -> None:
    before = at_rest(live)
    whole = grain("PNG")
    body = refused(ask(live, text_of(whole[: len(whole) // 2])), 400)
    assert body["sign"] == -1
    assert body["code"] == "broken_image"
    assert body["text"] == body["error"]
    until(lambda: files_of(live) == before, what="nothing to be left")
