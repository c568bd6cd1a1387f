"""run_flower.py as people and the farm start it: its lines, its files, its options, its ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from model import MODELS
from tests.support.flower_runs import LINE, PROJECT
from tests.support.running_farm import until

Script = Callable[..., subprocess.Popen[str]]


def ended(process: subprocess.Popen[str], seconds: float = 100) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of a run."""
    out, errors = process.communicate(timeout=seconds)
    return process.returncode, out.splitlines(), errors


def result_in(path: Path) -> dict[str, Any]:
    """The result.json of the only run below *path*/runs."""
    (folder,) = (path / "runs").iterdir()
    return json.loads((folder / "result.json").read_text()) | {"folder": folder}


def test_the_documented_command_learns_the_digits(tmp_path: Path, script: Script) -> None:
    """The command of the platform's document, which is also what the defaults say."""
    options = {"rounds": 10, "min_clients": 2, "fraction_fit": 0.8, "learning_rate": 0.01}
    code, lines, errors = ended(script(**options))
    result = result_in(tmp_path)
    assert (code, errors) == (0, "")
    assert lines[0] == f"writing to {result['folder']}"
    assert (
        lines[-1]
        == f"test accuracy {result['test_accuracy']:.4f} of round {result['best_round']}, in {result['folder']}"
    )
    assert [LINE.fullmatch(line)[1] for line in lines[1:-1]] == [str(number) for number in range(1, 11)]  # type: ignore[index]
    assert result["test_accuracy"] >= 0.96
    assert result["settings"] | options == result["settings"]
    assert result["settings"]["local_epochs"] == 5
    check_schema(result, rounds=10)


def check_schema(result: dict[str, Any], rounds: int) -> None:
    """What the farm's pages read, and weights that predict with nothing but result.json."""
    assert result["rounds"] == list(range(1, rounds + 1))
    assert all(len(result[name]) == rounds for name in ("accuracies", "losses", "seconds", "clients"))
    assert result["status"] == "completed"
    assert result["total_training_time"].endswith(("seconds", "second", "minutes", "minute"))
    assert all({"client", "examples", "loss", "accuracy"} <= set(row) for rows in result["clients"] for row in rows)
    assert 1 <= result["best_round"] <= rounds
    model = MODELS[result["model"]](**result["arguments"])
    model.load_state_dict(torch.load(result["folder"] / "best_model.pth", weights_only=True))
    size, channels = result["input_size"], result["input_channels"]
    pictures = torch.full((1, channels, size, size), 0.5)
    mean, deviation = (torch.tensor(result["normalisation"][name]).view(1, -1, 1, 1) for name in ("mean", "std"))
    assert model((pictures - mean) / deviation).shape == (1, len(result["classes"]))


def draw(folder: Path, count: int = 30) -> None:
    """Pictures of two shapes and two colours, at random places and sizes on a grey ground: four classes."""
    chance = np.random.default_rng(1)
    for shape in ("disc", "cross"):
        for colour in ("red", "blue"):
            (folder / f"{colour} {shape}").mkdir(parents=True)
            for number in range(count):
                picture = Image.fromarray(chance.integers(90, 160, (40, 48, 3), np.uint8))
                x, y = (int(value) for value in chance.integers(8, 20, 2))
                length = int(chance.integers(12, 20))
                box, pen = (x, y, x + length, y + length), ImageDraw.Draw(picture)
                if shape == "disc":
                    pen.ellipse(box, fill=colour)
                else:
                    pen.line(box, fill=colour, width=4)
                    pen.line((x, y + length, x + length, y), fill=colour, width=4)
                picture.save(folder / f"{colour} {shape}" / f"{number}.jpg", quality=90)


def test_a_folder_of_ones_own_pictures_is_learnt(tmp_path: Path, script: Script) -> None:
    draw(tmp_path / "shapes")
    options = {"data": tmp_path / "shapes", "image_size": 24, "clients": 3, "rounds": 8, "alpha": 5}
    code, _, errors = ended(script(**options))
    result = result_in(tmp_path)
    assert (code, errors) == (0, "")
    assert result["classes"] == ["blue cross", "blue disc", "red cross", "red disc"]
    assert (result["input_channels"], result["input_size"]) == (3, 24)
    assert 0.3 < result["normalisation"]["mean"][1] < 0.6
    assert result["test_accuracy"] >= 0.9, result["accuracies"]
    check_schema(result, rounds=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "run_flower.py: rounds 0: at least 1"),
        ({"data": "/nowhere"}, "run_flower.py: data /nowhere: No such file or directory"),
        ({"resume": "/nowhere"}, "run_flower.py: resume /nowhere: No such file or directory"),
        ({"speed": 3}, "unrecognized arguments: --speed 3"),
        ({"learning_rate": "fast"}, "invalid float value: 'fast'"),
    ],
)
def test_bad_options_end_with_code_2_and_one_reason(
    tmp_path: Path, script: Script, options: dict[str, Any], message: str
) -> None:
    code, _, errors = ended(script(**options))
    assert code == 2
    assert errors.strip().splitlines()[-1].endswith(message)


def test_a_failed_run_says_so_in_its_record(tmp_path: Path, script: Script) -> None:
    code, _, errors = ended(script(learning_rate=1e9, rounds=2, clients=2))
    assert (code, result_in(tmp_path)["status"]) == (1, "failed")
    assert result_in(tmp_path)["error"].startswith(
        "RuntimeError: round 1: no client answered; FloatingPointError: the loss"
    )
    assert "round 1: no client answered" in errors


def after_round(process: subprocess.Popen[str], number: int) -> None:
    """Wait until a run has printed its round *number*."""
    assert process.stdout
    for line in process.stdout:
        if (found := LINE.fullmatch(line.strip())) and int(found[1]) == number:
            return
    raise AssertionError("it ended before")


def gone(session: int) -> bool:
    """No process of *session* is left."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(its_session) == session and state != "Z":
            return False
    return True


def test_a_run_that_ctrl_c_stopped_says_so_and_can_be_resumed(tmp_path: Path, script: Script) -> None:
    process = script(rounds=500, local_epochs=1, clients=3)
    after_round(process, 2)
    process.send_signal(signal.SIGINT)
    assert ended(process, 20)[0] == 130
    assert gone(process.pid)
    stopped = result_in(tmp_path)
    assert stopped["status"] == "stopped"
    assert {path.name for path in stopped["folder"].iterdir()} == {"result.json", "best_model.pth", "state.pth"}
    rounds = len(stopped["rounds"]) + 2
    code, lines, _ = ended(script(resume=stopped["folder"], rounds=rounds))
    assert code == 0
    assert lines[1].startswith(f"round {rounds - 1}/{rounds} ")
    assert result_in(tmp_path)["rounds"] == list(range(1, rounds + 1))


@pytest.mark.timeout(300)  # Ray alone takes ten seconds to start, and more on a busy machine
def test_on_ray_it_learns_too_and_leaves_nothing_when_stopped(tmp_path: Path, script: Script) -> None:
    with tempfile.TemporaryDirectory(prefix="flower-") as short:  # Ray's sockets would lie too deep in tmp_path
        options = {"rounds": 500, "local_epochs": 2, "alpha": 100, "fraction_fit": 1.0, "clients": 3}
        places = {"TMPDIR": short, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "torch")}  # the latter is PyTorch's affair
        process = script(engine="ray", environment=places, **options)
        after_round(process, 3)
        assert len(list(Path(short).glob("ray-*"))) == 1
        process.terminate()
        code, _, errors = ended(process, 60)
        assert code == 143, errors
        until(lambda: gone(process.pid), what="the end of Ray's processes")
        assert not list(Path(short).iterdir())
    result = result_in(tmp_path)
    assert result["status"] == "stopped"
    assert max(result["accuracies"]) > 0.7


def test_help_names_every_option_and_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, run_flower\ntry: run_flower.main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert "--proximal_mu FLOAT" in result.stdout
    assert not {"torch", "flwr", "ray"} & set(result.stdout.split())
