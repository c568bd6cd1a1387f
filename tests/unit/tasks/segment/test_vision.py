"""Torchvision's parts are loaded without PyTorch's compiler, which is there all the same for who asks for it."""

from __future__ import annotations

import subprocess
import sys

from torch._dynamo.utils import is_compile_supported

from spoolfarm.tasks.segment.vision import Unloaded
from tests.support.running_farm import ROOT


def test_a_process_that_has_the_net_has_no_compiler() -> None:
    code = "import sys, spoolfarm.tasks.segment.net, spoolfarm.tasks.segment.maskrcnn; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "torchvision.ops.roi_align" in loaded
    assert not {name for name in loaded if name.startswith(("torch._dynamo", "sympy"))}


def test_torchvision_hears_from_the_compiler_itself_what_it_supports() -> None:
    for device in ("cpu", "cuda", "mps"):
        assert Unloaded.is_compile_supported(device) == is_compile_supported(device)
