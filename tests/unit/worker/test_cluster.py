"""A Ray cluster's head, seen from outside: who may use it, and which one it is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from spoolfarm.config import Address, load
from spoolfarm.errors import SettingError
from spoolfarm.farm.farm import Farm
from spoolfarm.tasks import extras
from spoolfarm.worker import equipment
from spoolfarm.worker.executors import cluster
from spoolfarm.worker.executors.cluster import ClusterAway, Head
from spoolfarm.worker.executors.local import LocalExecutor

TOKEN = "ab" * 32


class Door(grpc.GenericRpcHandler):
    """Answers as a head does: to everybody, or to those who have *token*."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.identity = b"first"

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        given = dict(handler_call_details.invocation_metadata or ()).get("authorization")

        def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
            if self.token and given != f"Bearer {self.token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
            return self.identity

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for Ray here is gone after the test: other tests start Ray without a token."""
    for name in (*cluster.SECURE, *cluster.ENVIRONMENT):
        monkeypatch.setenv(name, "")


@pytest.fixture
def door() -> Iterator[tuple[Door, Address]]:
    made = Door(TOKEN)
    server = grpc.server(ThreadPoolExecutor(2), handlers=[made])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, Address("127.0.0.1", port)
    server.stop(None).wait()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the token."""
    monkeypatch.setattr(cluster, "token", lambda: (("authorization", f"Bearer {TOKEN}"),))


def said_by(address: Address, *, insecure: bool = False) -> str:
    """Why the head there is not used; nothing when it is."""
    head = Head(address, insecure=insecure)
    try:
        head.check()
    except ClusterAway as error:
        return str(error)
    finally:
        head.close()
    return ""


def test_a_cluster_that_wants_our_token_is_used(door: tuple[Door, Address], known: None) -> None:
    assert said_by(door[1]) == ""


def test_a_cluster_that_takes_jobs_from_anybody_is_refused_unless_that_is_meant(
    door: tuple[Door, Address], known: None
) -> None:
    door[0].token = ""
    assert "takes jobs from anybody who can reach it" in said_by(door[1])
    assert said_by(door[1], insecure=True) == ""


def test_a_cluster_with_another_token_says_where_tokens_are_looked_for(door: tuple[Door, Address], known: None) -> None:
    door[0].token = "cd" * 32
    assert "RAY_AUTH_TOKEN_PATH" in said_by(door[1])


def test_a_head_that_is_not_there_is_away(known: None) -> None:
    assert said_by(Address("127.0.0.1", 1)) == "no Ray head answers at 127.0.0.1:1 (unavailable)"


def test_a_head_that_was_started_anew_is_another(door: tuple[Door, Address], known: None) -> None:
    head = Head(door[1], insecure=False)
    before = head.identity()
    assert head.identity() == before
    door[0].identity = b"second"
    assert head.identity() != before
    head.close()


@pytest.mark.parametrize(
    ("given", "missing", "said"),
    [
        ({"FARM_EXECUTOR": "ray"}, "ray", r"FARM_EXECUTOR=ray: .*pip install 'spoolfarm\[ray\]'"),
        ({"FARM_EXECUTOR": "ray", "FARM_RAY_RESOURCES": "ocrr:CPU=1"}, "", r"FARM_RAY_RESOURCES names 'ocrr'; there"),
    ],
)
def test_a_farm_that_could_use_no_cluster_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str, said: str
) -> None:
    there = extras.there
    monkeypatch.setattr(extras, "there", lambda name: name != missing and there(name))
    directories = {f"FARM_{name}_DIR": str(tmp_path / name) for name in ("SPOOL", "RESULTS", "DATA")}
    farm = Farm(settings=load({**directories, **given}))
    with pytest.raises(SettingError, match=said):
        equipment.check(farm)
    farm.close()


def test_where_simulations_and_documents_run_no_cluster_is_joined(tmp_path: Path) -> None:
    farm = Farm(
        settings=load({"FARM_SPOOL_DIR": str(tmp_path), "FARM_EXECUTOR": "ray", "FARM_RAY_ADDRESS": "127.0.0.1:1"})
    )
    for name in ("simulate", "document", "classify"):
        assert isinstance(equipment.executor({name: farm.tasks.get(name)}, farm), LocalExecutor)
    farm.close()
