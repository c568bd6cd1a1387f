"""The farm behind a proxy and under Gunicorn, as the files that deploy it say, and the page on editing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml

from tests.support import own_checkout
from tests.support.pictures import small, text_of
from tests.support.running_farm import ROOT, RunningFarm, free_port, until


def upload(farm: RunningFarm) -> str:
    """Send a picture to /upload; return its name there."""
    answer = requests.post(f"{farm.url}/upload", json={"image": text_of(small())}, timeout=20)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["filename"])


def rows(farm: RunningFarm, path: Path) -> list[str]:
    """The uploads in a copy of `image_process.db` alone, without what may lie beside it."""
    shutil.copy(Path(farm.given["FARM_DATA_DIR"], "image_process.db"), path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT filename FROM image_results")]


def test_gunicorn_by_hand_runs_the_same_front(tmp_path: Path) -> None:
    farm = RunningFarm(tmp_path, FARM_WORKERS=0, FARM_ENABLE="echo,orient", FARM_SEGMENT_MODEL="classical")
    env = {**os.environ, **farm.given, "PYTHONPATH": str(ROOT)}
    log = tmp_path / "gunicorn.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--access-logfile", str(tmp_path / "access.log")]
        front = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        until(lambda: farm.get("/health")[0] == 200, what=f"the front; {log.read_text()}")
        assert farm.post("/v1/jobs", {"task": "echo"})[0] == 202
        name = upload(farm)
        # The farm's own settings of Gunicorn are in force: JSON, where Gunicorn itself would answer HTML.
        assert requests.get(farm.url, headers={"X" * 9000: "1"}, timeout=10).json()["code"] == "invalid_request"
    finally:
        front.send_signal(signal.SIGTERM)
        status = front.wait(20)
        farm.farm.close()
    assert status == 0, log.read_text()
    assert '"POST /v1/jobs HTTP/1.1" 202' in (tmp_path / "access.log").read_text()
    assert rows(farm, tmp_path / "copy.db") == [name]


def test_the_pages_line_for_gunicorn_works_in_a_fresh_checkout(tmp_path: Path) -> None:
    checkout = own_checkout.make(tmp_path / "checkout")
    for name in ("gunicorn.conf.py", "wsgi.py"):
        shutil.copy(ROOT / name, checkout)
    (checkout / ".venv/bin").mkdir(parents=True)
    program = checkout / ".venv/bin/gunicorn"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gunicorn "$@"\n')
    program.chmod(0o755)
    [line] = re.findall(r"^mkdir .*gunicorn server:app.*$", (ROOT / "docs/deploy.md").read_text(), re.MULTILINE)
    farm = RunningFarm(tmp_path, FARM_WORKERS=0)
    subprocess.run(["bash", "-c", line], cwd=checkout, env={**os.environ, **farm.given}, check=True, timeout=60)
    until((checkout / "run/gunicorn.pid").exists, what="the front")
    pid = int((checkout / "run/gunicorn.pid").read_text())
    try:
        until(lambda: farm.get("/health")[0] == 200, what="the front")
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{pid}").exists(), what="its end")
        farm.farm.close()
    assert '"GET /health HTTP/1.1" 200' in (checkout / "run/access.log").read_text()


def test_the_images_health_check_asks_the_farm_where_it_listens(live: RunningFarm, tmp_path: Path) -> None:
    [text] = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    python, *words = json.loads(text)
    assert python == "python"

    def check(**settings: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9", **live.given, **settings}
        return subprocess.run(
            [sys.executable, *words], env=env, capture_output=True, text=True, timeout=30, check=False
        )

    done = check()
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ready"), done
    assert check(FARM_BIND="127.0.0.1:1").returncode == 0  # the launcher may have been told by a flag
    port = free_port()
    done = check(FARM_BIND=f"0.0.0.0:{port}", FARM_SPOOL_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, f"nobody answers on http://127.0.0.1:{port}\n")
    assert check(FARM_BIND="nonsense").returncode == 1


def test_the_program_of_the_compose_file_calls_the_farm_by_its_name_there(live: RunningFarm) -> None:
    caller = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["caller"]
    python, option, program = caller["command"]
    assert (python, option) == ("python", "-c")
    program = re.sub(r"http://mask-server:\d+", live.url, program)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FARM_API_KEY": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert "hello from another container" in done.stdout, done


@pytest.mark.needs("nginx", "openssl")
def test_the_farm_answers_through_nginx_and_tls(live: RunningFarm, tmp_path: Path) -> None:
    key, certificate, port = tmp_path / "a.key", tmp_path / "a.pem", free_port()
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    text = (ROOT / "deploy/nginx.conf").read_text()
    for ours, theirs in (
        ("127.0.0.1:8090", f"127.0.0.1:{live.port}"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/certs/farm.example.org.pem", str(certificate)),
        ("/etc/ssl/private/farm.example.org.key", str(key)),
        ("server_name farm.example.org", "server_name localhost"),
    ):
        assert text.count(ours) >= 1, ours
        text = text.replace(ours, theirs)
    places = " ".join(f"{name}_temp_path {tmp_path}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body; {places}\n{text}\n}}\n"
    )
    subprocess.run(["nginx", "-t", "-c", conf, "-p", tmp_path], check=True, capture_output=True)
    nginx = subprocess.Popen(["nginx", "-c", conf, "-p", tmp_path], stderr=subprocess.DEVNULL)
    try:
        until((tmp_path / "pid").exists, what="nginx")
        ask = requests.Session()
        ask.trust_env, ask.verify = False, str(certificate)
        ask.headers["Origin"] = f"https://localhost:{port}"  # a page of the proxy's own
        url = f"https://localhost:{port}"
        until(lambda: _answers(ask, url), what="nginx")
        answer = ask.post(f"{url}/v1/run/echo", json={"params": {"n": 1}}, timeout=20)
        assert answer.json() == {"params": {"n": 1}, "bytes": 0}
        assert answer.headers["X-Request-Id"]
        assert ask.post(f"{url}/v1/run/echo", data=b"x" * (33 << 20), timeout=20).status_code == 413
        with ask.get(f"{url}/v1/jobs/{_job(live)}/events", stream=True, timeout=20) as events:
            assert next(events.iter_lines()) == b"event: status"  # at once: the job goes on
    finally:
        nginx.terminate()
        nginx.wait(20)


def _answers(ask: requests.Session, url: str) -> bool:
    try:
        return ask.get(f"{url}/health", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def _job(farm: RunningFarm) -> str:
    """A job that takes a moment."""
    return str(farm.post("/v1/jobs", {"task": "echo", "params": {"seconds": 2}})[1]["id"])


@pytest.mark.needs("curl", "file", "jq", "unzip")
def test_the_examples_of_the_page_on_editing_answer_as_they_say(live: RunningFarm, tmp_path: Path) -> None:
    from tests.support.pictures import page

    (tmp_path / "page.png").write_bytes(page(["Invoice 2026-118", "Total 1,240.00"]))
    os.makedirs(live.given["FARM_DATA_DIR"], exist_ok=True)
    (tmp_path / "data").symlink_to(live.given["FARM_DATA_DIR"])
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs/edit.md").read_text(), re.DOTALL)
    ran = 0
    for command, said in re.findall(r"^\$ (.+)\n((?:[^$\n].*\n)*)", "\n".join(blocks), re.MULTILINE):
        command = command.replace("http://127.0.0.1:8090", live.url).replace("data/out", "data/examples-out")
        command = command.replace("out/page.jpg", "examples-out/page.jpg")
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == said.strip().replace("out/page.jpg", "examples-out/page.jpg"), command
        ran += 1
    assert ran == 6
