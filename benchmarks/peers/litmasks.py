"""LitServe around plain torchvision, two workers of one thread: `python -m benchmarks.peers.litmasks PORT WEIGHTS`."""

import base64
import sys
from typing import Any

import litserve  # type: ignore[import-untyped]

from benchmarks.peers.masks import Answer, open_torchvision


class Masks(litserve.LitAPI):  # type: ignore[misc]
    """Parses in the front; decodes and finds in the inference worker."""

    weights = ""

    def setup(self, device: str) -> None:
        """Load the weights."""
        self._predict = open_torchvision(self.weights)

    def decode_request(self, request, **kwargs: Any) -> bytes:  # type: ignore[no-untyped-def]
        return base64.b64decode(request["image"])

    def predict(self, x: bytes, **kwargs: Any) -> Answer:
        return self._predict(x)

    def encode_response(self, output, **kwargs: Any):  # type: ignore[no-untyped-def]
        return output


if __name__ == "__main__":
    api = Masks()
    api.weights = sys.argv[2]
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, generate_client_file=False)
