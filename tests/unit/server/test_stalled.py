"""A process that stands still with a lock in its hands makes requests a 503, never a 500."""

from __future__ import annotations

import pytest

from spoolfarm.server.current import FARM
from spoolfarm.spool import spool as spool_module
from spoolfarm.spool.lock import lock
from tests.support.http_requests import refused
from tests.support.spool_tree import Elsewhere
from tests.unit.server.conftest import Make


def test_a_delete_while_another_process_stalls_is_a_503(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "PATIENCE", 0.01)
    front = make()
    spool = front.application.extensions[FARM].spool
    job_id = front.post("/v1/jobs", json={"task": "echo"}).get_json()["id"]
    held = []

    def hold() -> None:
        held.append(lock(f"{spool.workers}/cancel.lock"))
        held[0].acquire()

    with Elsewhere(hold):
        for _ in range(2):
            refused(front.delete(f"/v1/jobs/{job_id}"), 503, "does not come to its end")
    assert front.delete(f"/v1/jobs/{job_id}").status_code == 200
