"""The same run on several machines: a SuperLink passes it on to SuperNodes, and what it says is printed here.

Its ServerApp runs on this machine, as a process of flower-superexec, and writes the run's folder here. It lives no
longer than the process that has asked for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from flwr.cli.build import build_fab_from_disk
from flwr.common.constant import Status, SubStatus
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import ListRunsRequest, StartRunRequest, StopRunRequest, StreamLogsRequest
from flwr.proto.run_pb2 import RunStatus
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.error import FlowerError
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

import lease
from record import RUNS, say
from settings import Settings

#: The variables that name the SuperLink, HOST:PORT, and the file with the certificates of who has signed its own.
ADDRESS, AUTHORITIES = "FLOWER_SUPERLINK", "FLOWER_SUPERLINK_CA"
#: Seconds for which a SuperLink may be away in the middle of a run, and between two attempts to reach it.
PATIENCE, PAUSE = 600.0, 1.0
#: How Flower colours what it logs.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Refused(Exception):
    """The SuperLink does not do what it is asked: why, in a sentence."""


class Away(Refused):
    """The SuperLink cannot be reached."""


def deploy(settings: Settings) -> int:
    """Have the SuperLink run it, print what it says, and return 0 when it has done what it should, else 1.

    An exception in here, such as that of a signal, stops the run.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        raise ValueError(f"engine deployment: {ADDRESS} names no SuperLink")
    try:
        superlink = Superlink(address, os.environ.get(AUTHORITIES) or None)
        out = Path(settings.out or RUNS)
        with lease.held(out, os.environ.get("SPOOLFARM_JOB", "")) as path:
            number = superlink.start(settings.record() | {"out": str(out), "lease": str(path)})
            try:
                say(f"run {number} at the SuperLink {address}")
                for text in superlink.log(number):
                    sys.stdout.write(COLOUR.sub("", text))
                    sys.stdout.flush()
            except BaseException:
                superlink.stop(number)
                raise
            status = superlink.status(number)
    except Refused as error:
        say(str(error))
        return 1
    if status.sub_status == SubStatus.COMPLETED:
        return 0
    say(f"run {number} ended as {status.sub_status}: {status.details}".removesuffix(": "))
    return 1


class Superlink:
    """The SuperLink at *address*, HOST:PORT; *authorities* is a PEM file, or None for those of the system."""

    def __init__(self, address: str, authorities: str | None) -> None:
        self._address = address
        try:
            certificates = Path(authorities).read_bytes() if authorities else None
            self._client = ControlHttpClient.from_server_address(
                address, False, certificates, [RuntimeVersionHttpInterceptor("flwr CLI")]
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Refused(f"{AUTHORITIES}: {authorities} holds no certificates: {error}") from error

    def start(self, config: dict[str, Any]) -> int:
        """Hand in the app in this file's folder, to be run with *config*; returns the number of the run."""
        content = build_fab_from_disk(Path(__file__).parent)
        fab = Fab(hashlib.sha256(content).hexdigest(), content, {})
        request = StartRunRequest(fab=fab_to_proto(fab), override_config=user_config_to_proto(config))
        with self._asking():
            return int(self._client.StartRun(request).run_id)

    def log(self, number: int) -> Iterator[str]:
        """What the run says, as it comes, until it has ended. A SuperLink that is away is waited for."""
        after = 0.0
        while True:
            try:
                with self._asking():
                    for told in self._client.StreamLogs(StreamLogsRequest(run_id=number, after_timestamp=after)):
                        yield told.log_output
                        after = told.latest_timestamp
                if self.status(number).status == Status.FINISHED:
                    return
            except Away as error:
                yield f"{error}; waiting for it\n"
                self._wait_for(number)
                yield f"the SuperLink at {self._address} is back\n"
            time.sleep(PAUSE)

    def status(self, number: int) -> RunStatus:
        """How the run fares."""
        with self._asking():
            return self._client.ListRuns(ListRunsRequest(run_id=number)).run_dict[number].status

    def stop(self, number: int) -> None:
        """Have the run end, unless it has or nobody answers."""
        try:
            with self._asking():
                self._client.StopRun(StopRunRequest(run_id=number))
        except Refused as error:
            say(f"run {number} is not stopped: {error}")

    def _wait_for(self, number: int) -> None:
        """Wait until the SuperLink tells of the run again. Raises Refused when it does not, or knows of none."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.status(number)
                return
            except Away:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPStatusError as error:
            told = FlowerError.from_json(error.response.text)
            raise Refused(f"the SuperLink at {self._address} refuses: {told.message if told else error}") from error
        except httpx.TransportError as error:
            why = f": {error}" if isinstance(error, httpx.ConnectError) else ""  # such as a certificate
            raise Away(f"no SuperLink answers at {self._address}{why}") from error
