"""Settings: where they come from, and what is said of one that is not allowed."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

import pytest

from spoolfarm import config
from spoolfarm.config import Settings, given, load, rows
from spoolfarm.errors import SettingError
from spoolfarm.values import Address


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting from outside the test."""
    monkeypatch.setattr(config, "ROOT", tmp_path)
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)


BAD = [
    ("FARM_HOME", "a\0b", "a directory"),
    ("FARM_BIND", "8090", "HOST:PORT"),
    ("FARM_BIND", "localhost", "HOST:PORT"),
    ("FARM_BIND", "localhost:0", "HOST:PORT"),
    ("FARM_BIND", "localhost:65536", "HOST:PORT"),
    ("FARM_BIND", "::1:80", "HOST:PORT"),
    ("FARM_BIND", "a b:80", "HOST:PORT"),
    ("FARM_BIND", ",", "HOST:PORT"),
    ("FARM_HOSTS", "http://farm.example", "names of hosts"),
    ("FARM_HOSTS", "*", "names of hosts"),
    ("FARM_HOSTS", "farm.example,*.example", "names of hosts"),
    ("FARM_WORKERS", "two", "a whole number from 0 to 1024"),
    ("FARM_WORKERS", "-1", "a whole number from 0 to 1024"),
    ("FARM_WORKERS", "1.5", "a whole number from 0 to 1024"),
    ("FARM_WORKERS", "1025", "a whole number from 0 to 1024"),
    ("FARM_WORKERS", "0x10", "a whole number from 0 to 1024"),
    ("FARM_WORKERS", "1_0", "a whole number from 0 to 1024"),
    ("FARM_WORKERS", "8-2", "two of them from 1 such as 2-8"),
    ("FARM_WORKERS", "0-2", "two of them from 1 such as 2-8"),
    ("FARM_WORKERS", "2-", "two of them from 1 such as 2-8"),
    ("FARM_WORKERS", "2-1025", "two of them from 1 such as 2-8"),
    ("FARM_SIMULATIONS", "65", "a whole number from 0 to 64"),
    ("FARM_DOCUMENTS", "one", "a whole number from 0 to 64"),
    ("FARM_THREADS", "many", "a whole number from 0 to 256"),
    ("FARM_FORK", "yes", "a whole number from 0 to 1"),
    ("FARM_SPOOL_DIR", "a\0b", "a directory"),
    ("FARM_TASKS", "mine", "name=package.module:Class"),
    ("FARM_TASKS", "mine=module", "name=package.module:Class"),
    ("FARM_TASKS", "Mine=module:Class", "name=package.module:Class"),
    ("FARM_TASKS", "a/b=module:Class", "name=package.module:Class"),
    ("FARM_TASKS", "mine=module:Class,other", "name=package.module:Class"),
    ("FARM_SEGMENT_MODEL", "none.pth", "default, coco, classical, or the path of a weights file"),
    ("FARM_SEGMENT_PRECISION", "int8", "fp32 or bf16"),
    ("FARM_EXECUTOR", "Ray", "local or ray"),
    ("FARM_RAY_ADDRESS", "ray://head:10001", "HOST:PORT"),
    ("FARM_RAY_ADDRESS", "auto", "HOST:PORT"),
    ("FARM_RAY_ADDRESS", "a:1,b:2", "HOST:PORT"),
    ("FARM_RAY_RESOURCES", "segment", "task:NAME=AMOUNT"),
    ("FARM_RAY_RESOURCES", "segment:GPU", "task:NAME=AMOUNT"),
    ("FARM_RAY_RESOURCES", "segment:GPU=-1", "task:NAME=AMOUNT"),
    ("FARM_RAY_RESOURCES", "segment:GPU=1;GPU=1", "task:NAME=AMOUNT"),
    ("FARM_RAY_INSECURE", "maybe", "a whole number from 0 to 1"),
    ("FARM_TRACES", "127.0.0.1:4318", "an address such as"),
    ("FARM_LOG", "yaml", "text or json"),
    ("FARM_ACCESS_LOG", "/no/such/directory/access.log", "-, or the path of a file in a directory that exists"),
    ("FARM_TIMEOUT", "0", "seconds from 0.01 to"),
    ("FARM_TIMEOUT", "-1", "seconds from 0.01 to"),
    ("FARM_TIMEOUT", "nan", "seconds from 0.01 to"),
    ("FARM_TIMEOUT", "inf", "seconds from 0.01 to"),
    ("FARM_TIMEOUT", "20s", "seconds from 0.01 to"),
    ("FARM_MAX_WAIT", "0", "seconds from 0.01 to"),
    ("FARM_JOB_TIMEOUT", "soon", "seconds from 0.01 to"),
    ("FARM_SIMULATION_TIMEOUT", "1e99", "seconds from 0.01 to"),
    ("FARM_DOCUMENT_TIMEOUT", "1h", "seconds from 0.01 to"),
    ("FARM_MAX_ATTEMPTS", "0", "a whole number from 1 to 100"),
    ("FARM_GRACE", "-0.1", "seconds from 0 to"),
    ("FARM_MAX_QUEUED", "10k", "a whole number from 0 to"),
    ("FARM_RESULT_TTL", "0", "seconds from 0.01 to"),
    ("FARM_DEAD_TTL", "never", "seconds from 0.01 to"),
    ("FARM_MAX_BODY_MB", "0", "a whole number from 1 to 4096"),
    ("FARM_MAX_PAGES", "0", "a whole number from 1 to"),
    ("FARM_MAX_PIXELS", "0", "a whole number from 1 to"),
    ("FARM_KEEP_MB", "all", "a whole number from 0 to"),
    ("FARM_MIN_FREE_MB", "5%", "a whole number from 0 to"),
    ("FARM_RECYCLE_JOBS", "-5", "a whole number from 0 to"),
    ("FARM_RECYCLE_MB", "4G", "a whole number from 0 to"),
    ("FARM_MAX_MEMORY_MB", "half", "a whole number from 0 to"),
    ("FARM_API_KEY", "a\tb", "letters, digits and signs of ASCII"),
    ("FARM_API_KEY", "schlüssel", "letters, digits and signs of ASCII"),
    ("FARM_BASE_PATH", "/a b", "a path such as /ocr"),
    ("FARM_TRUSTED_PROXIES", "proxy.example", "addresses or networks"),
    ("FARM_CORS_ORIGINS", "example.org", "origins such as https://example.org"),
    ("FARM_CORS_ORIGINS", "https://example.org/path", "origins such as https://example.org"),
    ("FARM_FRONT_THREADS", "1", "a whole number from 4 to"),
    ("FLOWER_SUPERLINK", "https://link.example", "HOST:PORT"),
    ("FLOWER_SUPERLINK", "a:1,b:2", "HOST:PORT"),
    ("FLOWER_SUPERLINK_CA", "$NO_SUCH_NAME/ca.crt", "a file"),
    ("FLOWER_START_SCRIPT", "run 'it", "a script, or a command as a shell would read it"),
    ("MODEL_WEIGHTS_SUBDIR", "../weights", "a directory inside the project"),
    ("HISTORY_SUBDIR", "/var/results", "a directory inside the project"),
    ("MODEL_DEFINITION_MODULE", "my-model", "a module such as model or nets.model"),
    ("MODEL_DEFINITION_MODULE", "nets.", "a module such as model or nets.model"),
    ("IMG_SIZE", "0", "a whole number from 1 to 4096"),
    ("IMG_MEAN", "0.5,0.5", "one number, or three with commas between"),
    ("IMG_MEAN", "half", "one number, or three with commas between"),
    ("IMG_STD", "0", "one number, or three with commas between"),
    ("FLASK_SECRET_KEY", "a\0b", "any text without a byte 0"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), BAD)
def test_a_bad_value_is_refused_with_the_setting_the_value_and_what_is_allowed(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingError, match=re.escape(allowed)) as caught:
        load({name: value})
    said = name if name in config.SECRETS else f"{name}={value!r}"
    assert str(caught.value).startswith(f"{said} is not allowed: it takes ")
    assert caught.value.code == "bad_setting"


def test_a_secret_is_never_printed() -> None:
    given = {"FARM_API_KEY": "hush-hush", "FLASK_SECRET_KEY": "ein Schlüssel: 猫 # \n\t'\"$HOME"}
    settings = load(given)
    assert settings.flask_secret_key == given["FLASK_SECRET_KEY"]
    for name, value in given.items():
        assert value not in repr(settings)
        with pytest.raises(SettingError) as caught:
            load(given | {name: f"{value}\0"})
        told = "".join(traceback.format_exception(caught.value))
        assert "hush" not in told
        assert "猫" not in told


@pytest.mark.parametrize(("text", "least", "most"), [("3", 3, 3), ("2-8", 2, 8), ("2 - 8", 2, 8), ("0", 0, 0)])
def test_workers_are_a_number_or_a_least_and_a_most(text: str, least: int, most: int) -> None:
    settings = load({"FARM_WORKERS": text})
    assert (settings.crew.least, settings.crew.most, settings.workers) == (least, most, most)


def test_resources_are_given_by_task() -> None:
    settings = load({"FARM_RAY_RESOURCES": "segment:GPU=1,CPU=2; ocr: CPU=0.5,fast_disk=1;"})
    assert settings.ray_resources == {"segment": {"GPU": 1, "CPU": 2}, "ocr": {"CPU": 0.5, "fast_disk": 1}}
    assert load({}).ray_resources == {}


def test_an_address_is_listened_on_once_and_a_host_has_no_port() -> None:
    settings = load(
        {"FARM_BIND": "127.0.0.1:1,[::1]:1,127.0.0.1:1", "FARM_HOSTS": "a.example:80, [::2]:1, fe80::1, 10.0.0.7"}
    )
    assert settings.bind == (Address("127.0.0.1", 1), Address("::1", 1))
    assert settings.hosts == ("a.example", "::2", "fe80::1", "10.0.0.7")


def test_every_setting_that_can_be_bad_was_tried() -> None:
    free = {"FARM_RESULTS_DIR", "FARM_DATA_DIR", "FARM_RUN_DIR", "FLOWER_PROJECT_DIR"}  # as FARM_SPOOL_DIR
    anything = {"FARM_ENABLE", "CLASS_LABELS"}
    assert {row["name"] for row in rows()} - free - anything <= {name for name, _, _ in BAD}


def test_without_any_setting_the_defaults_hold(tmp_path: Path) -> None:
    settings = load()
    assert settings == Settings()
    assert settings.environment() == {}
    assert settings.spool_dir == str(tmp_path / "spool")
    assert settings.bind == (Address("127.0.0.1", 8090),)
    assert settings.workers == config.cores() >= 1


def test_the_environment_is_above_the_file_and_the_command_line_above_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "# a comment\nFARM_WORKERS=1\nFARM_THREADS=1\nFARM_TIMEOUT=1\nexport FARM_GRACE='7'\nOTHER=x\n"
    )
    monkeypatch.setenv("FARM_THREADS", "2")
    monkeypatch.setenv("FARM_TIMEOUT", "2")
    settings = load({"FARM_TIMEOUT": "3"})
    assert (settings.workers, settings.threads, settings.timeout, settings.grace) == (1, 2, 3.0, 7.0)


def test_a_bad_line_of_the_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FARM_WORKERS=lots\n")
    with pytest.raises(SettingError, match="FARM_WORKERS='lots'"):
        load()


def test_an_empty_value_means_the_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FARM_WORKERS=\nFARM_TIMEOUT=  \nFARM_API_KEY=\nFARM_TASKS\n")
    settings = load()
    assert (settings.workers, settings.timeout, settings.api_key) == (config.cores(), 20.0, "")


def test_where_empty_has_a_meaning_it_is_not_the_default(tmp_path: Path) -> None:
    assert load().history_subdir == "results"
    (tmp_path / ".env").write_text("HISTORY_SUBDIR=\n")
    assert load().history_subdir == ""
    assert load().environment() == {"HISTORY_SUBDIR": ""}


def test_the_settings_of_the_flower_project_are_taken_as_people_write_them() -> None:
    settings = load(
        {
            "FLOWER_START_SCRIPT": "'my python' run.py --quiet",
            "MODEL_DEFINITION_MODULE": "./nets/model.py",
            "CLASS_LABELS": "猫, 狗,鸟",
            "IMG_MEAN": "0.5",
            "IMG_STD": "0.2, 0.3,0.4",
        }
    )
    assert settings.flower_start_script == ("my python", "run.py", "--quiet")
    assert settings.model_definition_module == "nets.model"
    assert settings.class_labels == ("猫", "狗", "鸟")
    assert (settings.img_mean, settings.img_std) == ((0.5,), (0.2, 0.3, 0.4))


def test_a_child_that_gets_the_environment_has_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "FARM_BIND": "127.0.0.1:1,[::1]:2,example.org:3",
        "FARM_TASKS": "a=m:A, b=n.o:B",
        "FARM_TIMEOUT": "1.5",
        "FARM_ENABLE": "echo, a",
        "FARM_CORS_ORIGINS": "*",
        "FARM_API_KEY": "a=b#c",
    }
    settings = load(given)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == settings
    assert settings.tasks == {"a": "m:A", "b": "n.o:B"}
    assert settings.enable == ("echo", "a")
    assert settings.bind[1] == Address("::1", 2)


def test_relative_directories_lie_below_the_checkout_and_absolute_ones_where_they_say(tmp_path: Path) -> None:
    settings = load({"FARM_SPOOL_DIR": "data/spool", "FARM_RESULTS_DIR": "/var/answers"})
    assert settings.spool_dir == str(tmp_path / "data" / "spool")
    assert settings.results_dir == "/var/answers"


def test_the_home_is_where_the_file_of_settings_and_all_relative_paths_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm/.env").write_text("FARM_WORKERS=7\nFARM_RESULTS_DIR=answers\n")
    (tmp_path / "farm/net.pt").touch()
    monkeypatch.chdir(tmp_path)
    settings = load({"FARM_HOME": "farm", "FARM_SEGMENT_MODEL": "net.pt", "FARM_DATA_DIR": "/srv/data"})
    assert (settings.home, settings.workers) == (str(tmp_path / "farm"), 7)
    assert settings.spool_dir == str(tmp_path / "farm/spool")
    assert settings.results_dir == str(tmp_path / "farm/answers")
    assert settings.segment_model == str(tmp_path / "farm/net.pt")
    assert settings.data_dir == "/srv/data"
    assert settings.environment()["FARM_HOME"] == str(tmp_path / "farm")
    assert not settings.in_checkout
    assert load().home == str(tmp_path)
    monkeypatch.setenv("FARM_HOME", "farm")
    assert load().spool_dir == settings.spool_dir
    monkeypatch.chdir("/")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load() == settings


def test_the_file_of_settings_cannot_say_where_it_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FARM_HOME=elsewhere\n")
    with pytest.raises(SettingError, match=r"FARM_HOME says where \.env is looked for, so it cannot stand in"):
        load()


def test_addresses_know_whether_others_reach_them() -> None:
    assert [str(Address("::1", 80)), str(Address("a.org", 80))] == ["[::1]:80", "a.org:80"]
    inside = ["localhost", "127.0.0.1", "127.9.9.9", "::1"]
    outside = ["0.0.0.0", "::", "192.168.1.1", "example.org"]
    assert all(Address(host, 1).loopback for host in inside)
    assert not any(Address(host, 1).loopback for host in outside)


def test_every_setting_is_an_option_too() -> None:
    assert given([]) == {}
    assert given(["--max-queued", "5", "--bind", "0.0.0.0:80"]) == {"FARM_MAX_QUEUED": "5", "FARM_BIND": "0.0.0.0:80"}
    every = [
        text for row in rows() for text in ("--" + row["name"].removeprefix("FARM_").lower().replace("_", "-"), "1")
    ]
    assert set(given(every)) == {row["name"] for row in rows()}


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        given(["--help"])
    text = capsys.readouterr().out
    assert all("--" + row["name"].removeprefix("FARM_").lower().replace("_", "-") in text for row in rows())


def test_every_row_says_what_it_is_for() -> None:
    for row in rows():
        assert len(row["help"]) > 10
        row["parse"](row["default"], *(["/"] if row["is_path"] else []))


def test_beside_complete_settings_the_file_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FARM_TIMEOUT=7\n")
    assert load().timeout == 7
    monkeypatch.setenv(config.COMPLETE, "1")
    assert load().timeout == 20


def test_settings_after_a_reload_keep_what_only_a_restart_can_change(tmp_path: Path) -> None:
    before = load({"FARM_BIND": "127.0.0.1:1234", "FARM_TIMEOUT": "7"})
    after, kept = load({"FARM_SPOOL_DIR": "elsewhere", "FARM_TIMEOUT": "8"}).after(before)
    assert kept == ["FARM_BIND", "FARM_SPOOL_DIR"]
    assert (after.bind, after.spool_dir, after.timeout) == (before.bind, before.spool_dir, 8)
    assert after.environment() == {"FARM_BIND": "127.0.0.1:1234", "FARM_TIMEOUT": "8"}
