"""LitServe with a project's model: `python -m benchmarks.peers.classify PORT PROJECT BATCH`, at /predict.

The same class, weights, labels and steps as the farm's; torch, torchvision and Pillow as a LitServe user has them.
"""

import base64
import io
import sys
from typing import Any

import litserve  # type: ignore[import-untyped]
import torch
from PIL import Image
from torchvision import transforms

#: Seconds that a batch waits to fill.
PATIENCE = 0.005
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE, CLASSES = 224, 10


class Classify(litserve.LitAPI):  # type: ignore[misc]
    """Parses in the front; decodes, prepares and predicts in the inference worker."""

    def setup(self, device: str) -> None:
        """Load the model."""
        sys.path.insert(0, sys.argv[2])
        from model import MobileNetV3  # type: ignore[import-not-found]

        torch.set_num_threads(1)
        self._model = MobileNetV3()
        weights = torch.load(f"{sys.argv[2]}/saved_models/MobileNetV3.pth", weights_only=True)
        self._model.load_state_dict(weights)
        self._model.eval()
        steps = [transforms.Resize((SIZE, SIZE)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        self._prepare = transforms.Compose(steps)

    def decode_request(self, request, **kwargs: Any) -> torch.Tensor:  # type: ignore[no-untyped-def]
        picture = Image.open(io.BytesIO(base64.b64decode(request["image_data"]))).convert("RGB")
        prepared: torch.Tensor = self._prepare(picture)
        return prepared

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, x: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        with torch.inference_mode():
            rows: torch.Tensor = self._model(x if x.ndim == 4 else x[None]).softmax(1)
        return rows if x.ndim == 4 else rows[0]

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output)

    def encode_response(self, output, **kwargs: Any):  # type: ignore[no-untyped-def]
        order = output.argsort(descending=True).tolist()
        return {"predictions": [{"label": str(each), "probability": float(output[each])} for each in order]}


if __name__ == "__main__":
    size = int(sys.argv[3])
    api = Classify(max_batch_size=size, batch_timeout=PATIENCE) if size > 1 else Classify()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, generate_client_file=False)
