"""Health: whether a front answers on an address, asked without the proxies that the environment may name."""

from __future__ import annotations

import http.client

from spoolfarm.config import Address


def answers(address: Address, patience: float) -> bool:
    """Whether somebody there answers HTTP within *patience* seconds, be it with a refusal."""
    connection = http.client.HTTPConnection(address.near, address.port, timeout=patience)
    try:
        connection.request("GET", "/health")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
