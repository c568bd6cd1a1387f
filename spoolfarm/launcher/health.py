"""Health: whether a front answers, and its farm can work; asked without the proxies that the environment may name."""

from __future__ import annotations

import http.client
import json
import os
import sys

from spoolfarm import config
from spoolfarm.config import Address
from spoolfarm.errors import SettingError
from spoolfarm.spool import files

#: Seconds in which the front has to answer `main`.
PATIENCE = 5.0


def answers(address: Address, patience: float) -> bool:
    """Whether somebody there answers HTTP within *patience* seconds, be it with a refusal."""
    return _ask(address, "/health", patience) is not None


def main() -> int:
    """Print what the farm of these settings says at /ready; return 0 when it can work, or else 1.

    For a container's HEALTHCHECK and the like: `python -m spoolfarm.launcher.health`.
    """
    try:
        address = _listening(config.load())
    except SettingError as error:
        print(error)  # noqa: T201
        return 1
    found = _ask(address, "/ready", PATIENCE)
    status, said = found or (0, f"nobody answers on {address.url}")
    print(said)  # noqa: T201
    return 0 if status == 200 else 1


def _listening(settings: config.Settings) -> Address:
    """Where the farm's launcher says that it listens, as a flag of its own may have said, or else FARM_BIND."""
    try:
        about = json.loads(files.read(os.path.join(settings.spool_dir, "launcher.json")))
        return config.load({"FARM_BIND": about["bind"]}).bind[0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SettingError):
        return settings.bind[0]


def _ask(address: Address, path: str, patience: float) -> tuple[int, str] | None:
    """The status and the body of a GET; None when nobody answers."""
    connection = http.client.HTTPConnection(address.near, address.port, timeout=patience)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
