"""The files that deploy the farm: systemd understands its unit, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spoolfarm import config
from spoolfarm.values import addresses
from tests.support.running_farm import ROOT


@pytest.mark.needs("systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "opt/.venv/bin/python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    unit = tmp_path / "spoolfarm.service"
    unit.write_text((ROOT / "deploy/spoolfarm.service").read_text().replace("/opt/spoolfarm", str(tmp_path / "opt")))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    assert "spoolfarm.service" not in done.stderr, done.stderr


def test_the_image_gets_what_the_farm_is_made_of() -> None:
    taken = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (.+) \./$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0].split()
    assert set(copied) <= set(taken)
    assert {"spoolfarm", "launcher.py", "server.py", "worker.py", "wsgi.py", "flower_project"} <= set(taken)
    for name in taken:
        assert (ROOT / name).exists() or name == "flower_project", name


def test_the_containers_of_the_compose_file_find_each_other() -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    farm, caller = compose["services"]["farm"], compose["services"]["caller"]
    assert (ROOT / "deploy" / farm["build"] / "Dockerfile").resolve() == ROOT / "Dockerfile"
    assert farm["image"] == caller["image"]
    ports = [address.port for address in addresses(farm["environment"]["FARM_BIND"])]
    assert {int(each.rpartition(":")[2]) for each in farm["ports"]} <= set(ports)
    [(host, port)] = re.findall(r"http://([\w-]+):(\d+)", caller["command"][-1])
    assert host in farm["networks"]["default"]["aliases"]
    assert int(port) in ports
    assert caller["depends_on"]["farm"]["condition"] == "service_healthy"
    assert {each.partition(":")[0] for each in farm["volumes"]} == set(compose["volumes"])
    text = (ROOT / "Dockerfile").read_text()
    assert all(f"VOLUME {each.partition(':')[2]}" in text for each in farm["volumes"])
    assert int(farm["stop_grace_period"].removesuffix("s")) > config.Settings().grace


def test_the_page_names_only_files_that_are_there() -> None:
    page = (ROOT / "docs/deploy.md").read_text()
    for name in re.findall(r"\b(?:deploy/[\w.]+|wsgi\.py|gunicorn\.conf\.py|Dockerfile)\b", page):
        assert (ROOT / name).exists(), name
