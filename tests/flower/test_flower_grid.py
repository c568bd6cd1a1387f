"""The grid in one process, and what a run makes of clients that fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.run import Run
from PIL import Image

import client_app
from grid import InlineGrid
from record import Record
from server_app import Server
from settings import Settings
from tests.support.flower_runs import federated

QUICK = {"rounds": 2, "clients": 4, "fraction_fit": 1.0, "augment": "none", "local_epochs": 1, "batch_size": 64}


def counting() -> ClientApp:
    """Clients that change what they were sent, and count their calls in their own state."""
    app = ClientApp()

    @app.query()
    def query(message: Message, context: Any) -> Message:
        config = message.content.config_records["config"]
        config["word"] = f"{config['word']}!"
        calls = context.state.metric_records.setdefault("calls", MetricRecord({"count": 0}))
        calls["count"] = int(calls["count"]) + 1
        content = {"config": config, "calls": MetricRecord(calls), "node": ConfigRecord(dict(context.node_config))}
        return Message(RecordDict(content), reply_to=message)

    return app


def test_each_client_has_its_own_state_and_sees_nothing_of_the_others() -> None:
    grid = InlineGrid(counting(), 3)
    content = RecordDict({"config": ConfigRecord({"word": "hello"})})  # one object for all, as Flower's strategies do
    for turn in (1, 2):
        replies = list(grid.send_and_receive([Message(content, node, "query") for node in grid.get_node_ids()]))
        assert [reply.content["config"]["word"] for reply in replies] == ["hello!"] * 3
        assert [reply.content["calls"]["count"] for reply in replies] == [turn] * 3
        assert [reply.content["node"]["partition-id"] for reply in replies] == [0, 1, 2]
        assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3]


def test_messages_can_be_pushed_now_and_pulled_later() -> None:
    grid = InlineGrid(counting(), 2)
    grid.set_run(Run.create_empty(run_id=7))
    content = RecordDict({"config": ConfigRecord({"word": "hello"})})
    first, second = list(grid.push_messages([grid.create_message(content, "query", node, "") for node in (1, 2)]))
    (reply,) = grid.pull_messages([second])
    assert (reply.metadata.src_node_id, reply.metadata.reply_to_message_id) == (2, second)
    (reply,) = grid.pull_messages([first])
    assert (reply.metadata.src_node_id, reply.metadata.run_id, grid.run.run_id) == (1, 7, 7)


def failing(*partitions: int) -> ClientApp:
    """The project's ClientApp, but these clients raise."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Any) -> Message:
        if context.node_config["partition-id"] in partitions:
            raise OSError("the disk is full")
        return client_app.app(message, context)

    return app


def test_one_failing_client_does_not_fail_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = federated(tmp_path, failing(1), **QUICK)
    assert result["status"] == "completed"
    for rows in result["clients"]:
        assert {row["client"]: row.get("error") for row in rows} == {
            "1": None,
            "2": "OSError: the disk is full",
            "3": None,
            "4": None,
        }
    printed = capsys.readouterr().out
    assert "client 2 failed in round 1: OSError: the disk is full" in printed
    assert "clients 3 time" in printed


def test_a_round_in_which_every_client_fails_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="round 1: no client answered"):
        federated(tmp_path, failing(0, 1, 2, 3), **QUICK)


@pytest.mark.parametrize(("options", "reason"), [({"clients": 500}, "clients 500"), ({"alpha": 1e-7}, "alpha 1e-07")])
def test_pictures_that_are_not_enough_are_told_before_a_client_is_asked(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        federated(tmp_path, failing(), **{**QUICK, "clients": 60, **options})


def test_a_folder_that_cannot_be_made_is_told_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^out .*/file/runs: Not a directory$"):
        federated(tmp_path / "file" / "runs", failing(), **QUICK)


def test_the_same_seed_gives_the_same_model_and_another_does_not(tmp_path: Path) -> None:
    one, two, other = (federated(tmp_path, **QUICK | {"fraction_fit": 0.5}, seed=seed) for seed in (1, 1, 2))
    assert one["losses"] == two["losses"] != other["losses"]
    assert (one["folder"] / "best_model.pth").read_bytes() == (two["folder"] / "best_model.pth").read_bytes()


def test_clients_can_tell_how_well_the_global_model_fits_them(tmp_path: Path) -> None:
    result = federated(tmp_path, **QUICK, fraction_evaluate=1.0)
    for rows in result["clients"]:
        assert all(0 <= row["global_accuracy"] <= 1 and row["global_loss"] > 0 for row in rows)
    assert sum(row["examples"] for row in result["clients"][0]) == 1259


def own_pictures(path: Path, names: tuple[str, ...]) -> Path:
    """A folder with a class of plain pictures for each name."""
    for shade, name in enumerate(names):
        (path / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (16, 16), (100 * shade, number, 0)).save(path / name / f"{number}.png")
    return path


def test_a_client_may_have_pictures_of_its_own(tmp_path: Path) -> None:
    common, own, other = (
        own_pictures(tmp_path / name, classes)
        for name, classes in (("common", ("day", "night")), ("own", ("day", "night")), ("other", ("day", "dusk")))
    )
    settings = Settings.read(
        {"rounds": 1, "clients": 2, "fraction_fit": 1.0, "data": str(common), "image_size": 8, "out": str(tmp_path)}
    )
    grid = InlineGrid(client_app.app, 2)
    for node, folder in ((1, own), (2, other)):
        grid._contexts[node].node_config = {"data": str(folder)}  # as flower-supernode --node-config gives it
    with Record(settings) as record:
        Server(grid, settings, record).run()
    first, second = record.result["clients"][0]
    assert first["examples"] == 24, "all of its pictures, and no share of the common ones"
    assert second["error"].startswith("ValueError: data")
    assert "('day', 'dusk')" in second["error"]


def test_a_clients_error_says_where_it_was_raised(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"no client answered; FloatingPointError: .* \(task.py, line \d+\)$"):
        federated(tmp_path, **QUICK, learning_rate=1e9)
