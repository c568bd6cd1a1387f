"""The farm below a path of nginx, as docs/deploy.md writes it, asked as browsers and clients ask."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
import requests
import socketio

from spoolfarm.client.client import Client
from tests.support.running_farm import ROOT, RunningFarm, free_port, until

pytestmark = pytest.mark.needs("nginx")


@pytest.fixture(scope="module")
def below(live: RunningFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The farm's address below the path."""
    path, port = tmp_path_factory.mktemp("nginx"), free_port()
    page = (ROOT / "docs/deploy.md").read_text()
    [location] = re.findall(r"```nginx\n(location /ocr/ .*?)```", page, re.DOTALL)
    [mapped] = re.findall(r"`(map \$http_upgrade .*?)`", page)
    location = location.replace("127.0.0.1:8090", f"127.0.0.1:{live.port}")
    places = " ".join(f"{name}_temp_path {path}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    conf = path / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {path}/pid; error_log {path}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {path}/body; {places}\n{mapped}\n"
        f"server {{ listen 127.0.0.1:{port};\n{location}\n}} }}\n"
    )
    nginx = subprocess.Popen(["nginx", "-c", conf, "-p", path], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/ocr"
    try:
        until(lambda: answers(f"{url}/health"), what="nginx")
        yield url
    finally:
        nginx.terminate()
        nginx.wait(20)


def answers(url: str) -> bool:
    """Whether there is an answer from there."""
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_job_is_found_where_its_location_says(below: str) -> None:
    answer = requests.post(f"{below}/v1/jobs", json={"task": "echo"}, timeout=20)
    assert answer.headers["Location"].startswith("/ocr/v1/jobs/")
    root = below.removesuffix("/ocr")
    assert requests.get(root + answer.headers["Location"], timeout=20).json()["task"] == "echo"


def test_our_client_works_below_the_path(below: str) -> None:
    assert Client(below).call("echo", x=1) == {"params": {"x": 1}, "bytes": 0}


@pytest.mark.parametrize("page", ["", "docs", "federated"])
def test_what_a_page_loads_is_there(below: str, page: str) -> None:
    answer = requests.get(f"{below}/{page}", headers={"Accept": "text/html"}, timeout=20)
    assert answer.headers["Content-Type"].startswith("text/html")
    targets = re.findall(r'(?:href|src)="(?!data:)([^"#]+)"', answer.text)
    assert targets
    for target in targets:
        assert requests.get(requests.compat.urljoin(answer.url, target), timeout=20).status_code == 200, target


def test_the_forms_of_the_documentation_ask_below_the_path(below: str) -> None:
    document = requests.get(f"{below}/openapi.json", timeout=20).json()
    assert document["servers"] == [{"url": "/ocr"}]


def test_socket_io_connects_below_the_path(below: str) -> None:
    client = socketio.Client()
    try:
        client.connect(below.removesuffix("/ocr"), socketio_path="/ocr/socket.io", transports=["websocket"])
        assert client.connected
    finally:
        client.disconnect()
