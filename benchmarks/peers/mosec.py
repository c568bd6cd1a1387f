"""mosec with two workers behind its Rust front: `python -m benchmarks.peers.mosec --address 127.0.0.1 --port PORT`."""

from __future__ import annotations

import base64
from typing import Any

import mosec


class Size(mosec.Worker):
    """Gets the body's bytes from the front; parses, decodes and answers."""

    def forward(self, data: dict[str, Any]) -> dict[str, int]:
        return {"bytes": len(base64.b64decode(data["image"]))}


if __name__ == "__main__":
    server = mosec.Server()  # type: ignore[no-untyped-call]
    server.append_worker(Size, num=2)
    server.run()  # type: ignore[no-untyped-call]
