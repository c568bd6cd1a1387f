"""A Ray cluster's head, asked without joining the cluster: whether it answers, which it is, and who may use it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolfarm.config import Address

#: Seconds that the head gets to answer.
PATIENCE = 3.0
#: The oldest Ray with token authentication.
OLDEST = (2, 52)
#: How a process of the farm is told to send tokens.
SECURE = {"RAY_AUTH_MODE": "token"}
#: What else it has in its environment before it loads Ray: nothing is installed, and nothing told to strangers.
ENVIRONMENT: Mapping[str, str] = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray warns of what the nodes, not this process, decide
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRPC_VERBOSITY": "NONE",
}

#: The head's service that anybody may ask who has the token.
SERVICE = "/ray.rpc.NodeInfoGcsService"


class ClusterAway(Exception):
    """The cluster cannot be used now: it says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Node:
    """A living node of a cluster."""

    address: str
    resources: Mapping[str, float]


class Head:
    """The head at *address*; a cluster that anybody may use is refused, unless *insecure* ones are allowed."""

    def __init__(self, address: Address, *, insecure: bool) -> None:
        import grpc

        self.address = address
        self._insecure = insecure
        prepare(insecure=insecure)
        options = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(str(address), options=options)
        self._asks = {
            name: self._channel.unary_unary(f"{SERVICE}/{name}") for name in ("GetClusterId", "GetAllNodeInfo")
        }

    def check(self) -> None:
        """Raise ClusterAway unless the head answers, takes our token, and refuses those who have none."""
        self.identity()
        if not self._insecure and self._answers_anybody():
            raise ClusterAway(
                f"the Ray cluster at {self.address} takes jobs from anybody who can reach it: start every node with "
                f"RAY_AUTH_MODE=token, or say FARM_RAY_INSECURE=1"
            )

    def identity(self) -> bytes:
        """What no other cluster answers, not even the next one at this address. Raises ClusterAway."""
        return self._ask("GetClusterId", token())

    def nodes(self) -> list[Node]:
        """The living nodes. Raises ClusterAway."""
        from ray.core.generated import gcs_pb2, gcs_service_pb2

        told = gcs_service_pb2.GetAllNodeInfoReply.FromString(self._ask("GetAllNodeInfo", token()))
        living = [node for node in told.node_info_list if node.state == gcs_pb2.GcsNodeInfo.ALIVE]
        return [Node(node.node_manager_address, dict(node.resources_total)) for node in living]

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _answers_anybody(self) -> bool:
        try:
            self._ask("GetClusterId", ())
        except _NoToken:
            return False
        return True

    def _ask(self, name: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
        import grpc

        try:
            told: bytes = self._asks[name](b"", timeout=PATIENCE, metadata=metadata)
            return told
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                raise _NoToken(
                    f"the Ray cluster at {self.address} does not take our token: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH "
                    f"or ~/.ray/auth_token must say the same here as there"
                ) from error
            raise ClusterAway(f"no Ray head answers at {self.address} ({error.code().name.lower()})") from error


class _NoToken(ClusterAway):
    pass


def prepare(*, insecure: bool) -> None:
    """Set what Ray reads from the environment when it is loaded, where nobody has."""
    for name, value in {**({} if insecure else SECURE), **ENVIRONMENT}.items():
        os.environ.setdefault(name, value)


def token() -> tuple[tuple[str, str], ...]:
    """The token of this user, as a header; nothing when there is none."""
    from ray._private.authentication import grpc_authentication_client_interceptor as interceptor

    found: Any = interceptor._get_authentication_metadata_tuple()
    return tuple(found)
