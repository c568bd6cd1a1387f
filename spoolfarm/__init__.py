"""A filesystem-spool worker farm: a request becomes a file, a worker takes it by renaming it, the answer is a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spoolfarm.client.client import Client
    from spoolfarm.farm.farm import Farm

__all__ = ["Client", "Farm"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import spoolfarm` costs nothing."""
    if name == "Farm":
        from spoolfarm.farm.farm import Farm

        return Farm
    if name == "Client":
        from spoolfarm.client.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
