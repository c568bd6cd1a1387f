"""LitServe with two inference workers: `python -m benchmarks.peers.litserve PORT`, at /predict."""

import base64
import sys
from typing import Any

import litserve  # type: ignore[import-untyped]


class Size(litserve.LitAPI):  # type: ignore[misc]
    """Parses in the front, decodes in the inference worker. Untyped where types would make FastAPI validate more."""

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def decode_request(self, request, **kwargs: Any) -> bytes:  # type: ignore[no-untyped-def]
        return base64.b64decode(request["image"])

    def predict(self, x: bytes, **kwargs: Any) -> int:
        return len(x)

    def encode_response(self, output, **kwargs: Any):  # type: ignore[no-untyped-def]
        return {"bytes": output}


if __name__ == "__main__":
    server = litserve.LitServer(Size(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, generate_client_file=False)
