"""The record of a run: its folder, its files, its ends, and going on from it."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

import record
from record import Record, duration, resumed
from settings import Settings
from tests.support.flower_runs import federated

WEIGHTS = {"layer": torch.ones(2)}
#: Four rounds of two clients with few pictures.
QUICK = {"rounds": 4, "clients": 12, "fraction_fit": 0.2, "alpha": 100, "augment": "none", "local_epochs": 1}


def made(path: Path, **options: Any) -> Record:
    return Record(Settings.read({"out": str(path), **options}))


def add(run: Record, accuracy: float, loss: float = 1.0) -> None:
    run.add(accuracy, loss, seconds=0.1, clients=[], weights={"layer": torch.full((2,), accuracy)}, strategy={})


def on_disk(run: Record) -> dict[str, Any]:
    return json.loads((run.folder / "result.json").read_text())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.34, "12.3 seconds"),
        (61, "1 minute 1 second"),
        (125.9, "2 minutes 5 seconds"),
        (9000, "2 hours 30 minutes"),
        (3660, "1 hour 1 minute"),
    ],
)
def test_a_duration_is_told_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_runs_that_begin_in_one_second_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noon(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2025, 1, 2, 12, 0, 0, tzinfo=tz)

    monkeypatch.setattr(record, "datetime", Noon)
    names = [made(tmp_path).folder.name for _ in range(3)]
    assert names == ["SmallCNN_20250102-120000", "SmallCNN_20250102-120000-2", "SmallCNN_20250102-120000-3"]


def test_a_run_is_running_until_it_is_completed(tmp_path: Path) -> None:
    with made(tmp_path) as run:
        assert (on_disk(run)["status"], on_disk(run)["pid"]) == ("running", os.getpid())
    assert on_disk(run)["status"] == "completed"
    assert "pid" not in on_disk(run)


@pytest.mark.parametrize(("error", "status"), [(SystemExit(143), "stopped"), (RuntimeError("no disk"), "failed")])
def test_how_a_run_ends_is_told(tmp_path: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), made(tmp_path) as run:
        raise error
    assert on_disk(run)["status"] == status
    assert on_disk(run).get("error") == ("RuntimeError: no disk" if status == "failed" else None)


def test_the_best_weights_are_those_of_the_best_round(tmp_path: Path) -> None:
    with made(tmp_path) as run:
        for accuracy, loss in ((0.5, 1.0), (0.75, 0.9), (0.75, 0.8), (0.75, 0.85), (0.625, 0.1)):
            add(run, accuracy, loss)
            assert set(torch.load(run.folder / "best_model.pth", weights_only=True)) == {"layer"}
    assert on_disk(run)["best_round"] == 3
    assert run.best_weights()["layer"].tolist() == [0.75, 0.75]


def test_a_loss_that_is_no_number_is_null(tmp_path: Path) -> None:
    with made(tmp_path) as run:
        add(run, 0.1, float("nan"))
        add(run, 0.1, 2.0)
    assert on_disk(run)["losses"] == [None, 2.0]
    assert on_disk(run)["best_round"] == 2


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    with made(tmp_path) as run:
        before = on_disk(run)

        def interrupted(path: Path) -> None:
            path.write_text("half")
            raise SystemExit(143)

        with pytest.raises(SystemExit):
            record.replace(run.folder / "result.json", interrupted)
        assert on_disk(run) == before
        assert [path.name for path in run.folder.iterdir()] == ["result.json"]


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    for strategy in ("FedAdam", "FedYogi", "FedAdagrad", "FedAvgM"):
        options = {**QUICK, "strategy": strategy}
        unbroken = federated(tmp_path, **options)
        half = federated(tmp_path, **(options | {"rounds": 2}))
        whole = federated(tmp_path, resume=str(half["folder"]), rounds=4)
        assert whole["folder"] == half["folder"]
        assert whole["rounds"] == [1, 2, 3, 4]
        assert (whole["losses"], whole["clients"]) == (unbroken["losses"], unbroken["clients"]), strategy
        assert whole["test_accuracy"] == unbroken["test_accuracy"]


def test_without_its_memory_the_strategy_would_go_elsewhere(tmp_path: Path) -> None:
    options = {**QUICK, "strategy": "FedAdam"}
    unbroken = federated(tmp_path, **options)
    half = federated(tmp_path, **(options | {"rounds": 2}))
    state = torch.load(half["folder"] / "state.pth", weights_only=True)
    assert set(state["strategy"]) == {"m_t", "v_t"}
    torch.save(state | {"strategy": {}}, half["folder"] / "state.pth")
    assert federated(tmp_path, resume=str(half["folder"]), rounds=4)["losses"][2:] != unbroken["losses"][2:]


def test_a_resumed_run_keeps_its_settings_but_for_those_given(tmp_path: Path) -> None:
    half = federated(tmp_path, **(QUICK | {"rounds": 1, "learning_rate": 0.02}))
    settings = resumed({"resume": str(half["folder"]), "rounds": 3, "batch_size": 32})
    assert (settings.learning_rate, settings.batch_size, settings.clients) == (0.02, 32, 12)


@pytest.mark.parametrize("given", [{"model": "SmallResNet"}, {"seed": 2}, {"strategy": "FedAdam"}])
def test_what_would_not_be_the_same_training_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    half = federated(tmp_path, **(QUICK | {"rounds": 1}))
    with pytest.raises(ValueError, match=f"{next(iter(given))} .*: the run to continue has"):
        resumed({"resume": str(half["folder"]), "rounds": 3, **given})


def test_what_came_after_the_last_whole_round_is_forgotten(tmp_path: Path) -> None:
    with made(tmp_path, rounds=5) as run:
        for accuracy in (0.5, 0.6, 0.7):
            add(run, accuracy)
        state = {"round": 2, "weights": WEIGHTS, "strategy": {}}  # it died before the third state was written
        torch.save(state, run.folder / "state.pth")
    again = made(tmp_path, resume=run.folder, rounds=5)
    assert (again.done, again.result["accuracies"], again.result["best_round"]) == (2, [0.5, 0.6], 2)


def test_a_run_that_is_still_going_on_cannot_be_resumed(tmp_path: Path) -> None:
    with made(tmp_path, rounds=5) as run:
        add(run, 0.5)
        with pytest.raises(ValueError, match=f"process {os.getpid()} is still at it"):
            made(tmp_path, resume=run.folder, rounds=5)


def test_a_run_that_was_killed_can_be_resumed(tmp_path: Path) -> None:
    with made(tmp_path, rounds=5) as run:
        add(run, 0.5)
        killed = on_disk(run) | {"pid": 2**22 + 1}  # above any process id
    (run.folder / "result.json").write_text(json.dumps(killed))
    assert made(tmp_path, resume=run.folder, rounds=5).done == 1


@pytest.mark.parametrize(("rounds", "message"), [(1, "rounds 1: .* has 1 already"), (5, "")])
def test_a_finished_run_needs_more_rounds(tmp_path: Path, rounds: int, message: str) -> None:
    with made(tmp_path, rounds=1) as run:
        add(run, 0.5)
    if message:
        with pytest.raises(ValueError, match=message):
            made(tmp_path, resume=run.folder, rounds=rounds)
    else:
        assert made(tmp_path, resume=run.folder, rounds=rounds).done == 1


def test_a_folder_with_no_round_in_it_cannot_be_resumed(tmp_path: Path) -> None:
    with made(tmp_path) as run:
        pass
    with pytest.raises(ValueError, match="not one round of it was finished"):
        made(tmp_path, resume=run.folder)
    with pytest.raises(ValueError, match="No such file"):
        resumed({"resume": str(tmp_path / "nowhere")})
