"""A farm that gets no inotify watch: every process says so once and polls, and nobody waits noticeably longer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.support.hot_folder import Hot
from tests.support.running_farm import RunningFarm, until

#: Runs a command in a user namespace of its own, which has no watches to give.
WITHOUT = ["unshare", "-U", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh"]


@pytest.mark.needs("unshare")
def test_a_farm_without_watches_polls(run: Callable[..., RunningFarm]) -> None:
    if subprocess.run([*WITHOUT, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespace can be made here")
    farm = run(FARM_WORKERS=1)
    farm.prefix = WITHOUT
    farm.start()
    hot = Hot(farm)
    for number in range(20):
        assert farm.post("/v1/run/echo", {"params": {"n": number}})[0] == 200
    for number in range(5):
        (hot.inbox / "echo" / f"dropped{number}").write_bytes(b"x")
    until(lambda: hot.count("echo") == 5)
    accepted = farm.post("/v1/jobs", {"task": "echo", "params": {"seconds": 0.2}})[1]["id"]
    until(lambda: farm.get(f"/v1/jobs/{accepted}")[1]["status"] == "succeeded")
    until(lambda: not hot.left("echo"))
    said = [line for line in farm.log().splitlines() if "no inotify watch on" in line]
    for who in ("front: ", "worker 1: ", "hot folder: "):
        assert sum(who in line for line in said) == 1, farm.log()
