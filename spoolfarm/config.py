"""The settings: one table of name, type, default and help, read from the environment and `.env`."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from spoolfarm import envfile
from spoolfarm.errors import SettingError
from spoolfarm.values import Address as Address  # for those who have settings
from spoolfarm.values import Crew as Crew
from spoolfarm.values import Network as Network
from spoolfarm.values import (
    address,
    address_if_any,
    addresses,
    any_text,
    base_path,
    channels,
    collector,
    command,
    crew,
    directory,
    directory_if_any,
    executor,
    file_if_any,
    hosts,
    key,
    log_file,
    log_form,
    module,
    networks,
    origins,
    precision,
    resources,
    seconds,
    segment_model,
    subdirectory,
    tasks,
    whole,
    words,
)

#: The checkout that this package lies in, or the working directory when it is installed elsewhere.
ROOT = Path(__file__).resolve().parent.parent
#: Whether it lies in one.
CHECKOUT = all((ROOT / name).is_file() for name in ("launcher.py", "setup.cfg"))
if not CHECKOUT:
    ROOT = Path.cwd()
#: The setting that says where everything else lies, including `.env`.
HOME = "FARM_HOME"

#: Stands in an environment that has every setting that holds: `.env` says nothing beside it.
COMPLETE = "SPOOLFARM_SETTINGS_COMPLETE"
#: What cannot change while the farm runs.
FIXED = ("FARM_BIND", "FARM_SPOOL_DIR", "FARM_RESULTS_DIR", "FARM_RUN_DIR", "FARM_LOG")

T = TypeVar("T")


#: The settings that only the front may know: whom they do not concern shall not find them in its environment.
SECRETS = ("FARM_API_KEY", "FLASK_SECRET_KEY")


def home(text: str) -> str:
    """Where the farm's home is, by what its setting says. Raises ValueError."""
    meant = os.path.expanduser(text)
    if "\0" in meant or meant.startswith("~"):
        raise ValueError("a directory")
    return str(Path(meant).absolute() if meant else ROOT)


def setting(
    name: str, default: str, parse: Callable[..., T], text: str, *, may_be_empty: bool = False, is_path: bool = False
) -> T:
    """A row of the table: the default is written as a user would write it.

    An empty line in .env means the default, unless it *may_be_empty* and have a meaning of its own. What *is_path* is
    parsed with the farm's home as a second argument.
    """
    row = {"name": name, "default": default, "parse": parse, "help": text, "may_be_empty": may_be_empty}
    row["is_path"] = is_path
    made: T = field(
        default_factory=lambda: parse(default, *([str(ROOT)] if is_path else [])),
        metadata=row,
        repr=name not in SECRETS,
    )
    return made


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """Every setting, with its value."""

    home: str = setting(
        HOME, "", home, "where .env and all relative paths lie; empty: the checkout, or else the working directory"
    )
    bind: tuple[Address, ...] = setting(
        "FARM_BIND", "127.0.0.1:8090", addresses, "addresses the front listens on, with commas between"
    )
    crew: Crew = setting(  # noqa: RUF009  # it returns a field
        "FARM_WORKERS",
        str(cores()),
        crew,
        "general workers, such as 4, or 2-8: more while jobs wait, fewer when idle; 0: none at all, it only queues",
    )
    simulations: int = setting("FARM_SIMULATIONS", "1", whole(0, 64), "workers kept aside for the `simulate` lane")
    documents: int = setting("FARM_DOCUMENTS", "1", whole(0, 64), "documents that are worked on at once, page by page")
    threads: int = setting(
        "FARM_THREADS", "0", whole(0, 256), "CPU threads of one worker; 0 deals the cores out evenly, one at least"
    )
    fork: int = setting(
        "FARM_FORK",
        "1",
        whole(0, 1),
        "1: workers are forked from one process that has loaded what they share; 0: each loads it for itself",
    )
    spool_dir: str = setting("FARM_SPOOL_DIR", "spool", directory, "the queue on disk", is_path=True)
    results_dir: str = setting("FARM_RESULTS_DIR", "results", directory, "the answers on disk", is_path=True)
    executor: str = setting(
        "FARM_EXECUTOR",
        "local",
        executor,
        "local: jobs run in the workers; ray: on a Ray cluster, with the extra `ray`",
    )
    ray_address: Address = setting(  # noqa: RUF009
        "FARM_RAY_ADDRESS", "127.0.0.1:6379", address, "the head of the Ray cluster"
    )
    ray_resources: Mapping[str, Mapping[str, float]] = setting(
        "FARM_RAY_RESOURCES",
        "",
        resources,
        "what a task needs on its node, such as segment:GPU=1,CPU=2;ocr:CPU=1; a task not named needs CPU=1",
    )
    ray_insecure: int = setting(
        "FARM_RAY_INSECURE", "0", whole(0, 1), "1: a Ray cluster without token authentication is used, too"
    )
    data_dir: str = setting(
        "FARM_DATA_DIR", "data", directory, "the only folder tree that /items/ reads and writes", is_path=True
    )
    run_dir: str = setting("FARM_RUN_DIR", "run", directory, "pid file and log file of start.sh -d", is_path=True)
    tasks: Mapping[str, str] = setting(
        "FARM_TASKS", "", tasks, "tasks of your own: name=package.module:Class, with commas between"
    )
    enable: tuple[str, ...] = setting(
        "FARM_ENABLE",
        "",
        words,
        "the tasks there are, with commas between; empty: all. Every worker loads their models",
    )
    segment_model: str = setting(
        "FARM_SEGMENT_MODEL",
        "default",
        segment_model,
        "what finds objects: default, coco, classical, or the path of a weights file or an ONNX model",
        is_path=True,
    )
    segment_precision: str = setting(
        "FARM_SEGMENT_PRECISION", "fp32", precision, "fp32, or bf16: faster, with slightly other masks"
    )
    timeout: float = setting("FARM_TIMEOUT", "20", seconds(), "seconds a synchronous request waits for its result")
    max_wait: float = setting("FARM_MAX_WAIT", "300", seconds(), "the most that `Prefer: wait=SECONDS` may ask for")
    job_timeout: float = setting(
        "FARM_JOB_TIMEOUT", "120", seconds(), "seconds one attempt may run before its worker is killed"
    )
    simulation_timeout: float = setting(
        "FARM_SIMULATION_TIMEOUT", "86400", seconds(), "the same for the `simulate` lane"
    )
    document_timeout: float = setting("FARM_DOCUMENT_TIMEOUT", "3600", seconds(), "the same for a whole document")
    max_attempts: int = setting("FARM_MAX_ATTEMPTS", "3", whole(1, 100), "attempts before the dead letter")
    grace: float = setting("FARM_GRACE", "30", seconds(0), "seconds running jobs get at a graceful stop")
    max_queued: int = setting(
        "FARM_MAX_QUEUED", "10000", whole(0, 100_000_000), "jobs that may wait; more get 503 with Retry-After"
    )
    result_ttl: float = setting(
        "FARM_RESULT_TTL", "86400", seconds(), "seconds the result of a submitted job is kept after its end"
    )
    dead_ttl: float = setting("FARM_DEAD_TTL", "604800", seconds(), "seconds a dead letter is kept")
    keep_mb: int = setting(
        "FARM_KEEP_MB",
        "256",
        whole(0, 10_000_000),
        "pictures and parameters of ended jobs that are kept, in MiB, to be looked at and run again; 0: none",
    )
    max_body_mb: int = setting("FARM_MAX_BODY_MB", "32", whole(1, 4096), "larger request bodies get 413, in MiB")
    max_pixels: int = setting(
        "FARM_MAX_PIXELS", "50000000", whole(1, 1_000_000_000), "larger pictures are refused from their header"
    )
    max_pages: int = setting(
        "FARM_MAX_PAGES", "5000", whole(1, 1_000_000), "documents with more pages to read are refused"
    )
    min_free_mb: int = setting(
        "FARM_MIN_FREE_MB", "200", whole(0, 1_000_000), "with less disk space left, in MiB, new jobs get 503"
    )
    recycle_jobs: int = setting(
        "FARM_RECYCLE_JOBS", "10000", whole(0, 10**9), "a worker makes way for a new one after so many; 0: never"
    )
    recycle_mb: int = setting(
        "FARM_RECYCLE_MB", "4096", whole(0, 1_000_000), "the same when it holds more memory, in MiB; 0: never"
    )
    max_memory_mb: int = setting(
        "FARM_MAX_MEMORY_MB",
        "8192",
        whole(0, 10_000_000),
        "a worker that holds more while it runs a job is killed and the job fails, in MiB; 0: no limit",
    )
    api_key: str = setting(
        "FARM_API_KEY", "", key, "when set, every endpoint but the pages, /health and /ready wants it"
    )
    hosts: tuple[str, ...] = setting(
        "FARM_HOSTS", "", hosts, "Host names to answer to beside the loopback ones; empty with an open address: any"
    )
    cors_origins: tuple[str, ...] = setting(
        "FARM_CORS_ORIGINS", "", origins, "origins whose pages may call the HTTP API, with commas between"
    )
    base_path: str = setting(
        "FARM_BASE_PATH", "", base_path, "the path below which a proxy has the farm, such as /ocr; empty: none"
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "FARM_TRUSTED_PROXIES",
        "",
        networks,
        "proxies beside those on this machine whose X-Forwarded-Prefix counts: addresses or networks",
    )
    access_log: str = setting(
        "FARM_ACCESS_LOG",
        "",
        log_file,
        "file for one line a request, or - for the farm's log; empty: none",
        is_path=True,
    )
    log: str = setting(
        "FARM_LOG", "text", log_form, "text: a log for people; json: one for programs, with a line a job"
    )
    traces: str = setting(
        "FARM_TRACES",
        "",
        collector,
        "where spans are sent, OTLP over HTTP, such as http://127.0.0.1:4318; empty: nowhere. Takes the extra `otel`",
    )
    front_threads: int = setting(
        "FARM_FRONT_THREADS", "512", whole(4, 10_000), "requests the front serves at once; a waiting one costs little"
    )
    flower_project_dir: str = setting(
        "FLOWER_PROJECT_DIR",
        "",
        directory_if_any,
        "the Flower project; empty: flower_project in the home, or where that cannot be written to, in FARM_DATA_DIR",
        is_path=True,
    )
    flower_start_script: tuple[str, ...] = setting(
        "FLOWER_START_SCRIPT", "run_flower.py", command, "the script in it, or the command, that starts a simulation"
    )
    flower_superlink: Address | None = setting(  # noqa: RUF009
        "FLOWER_SUPERLINK", "", address_if_any, "the SuperLink for `engine` deployment, HOST:PORT; empty: none"
    )
    flower_superlink_ca: str = setting(
        "FLOWER_SUPERLINK_CA",
        "",
        file_if_any,
        "the certificates, PEM, of who has signed the SuperLink's; empty: the system's",
        is_path=True,
    )
    model_weights_subdir: str = setting(
        "MODEL_WEIGHTS_SUBDIR", "saved_models", subdirectory, "the project's folder of weights, NAME.pth"
    )
    model_definition_module: str = setting(
        "MODEL_DEFINITION_MODULE", "model", module, "the project's module of model classes"
    )
    history_subdir: str = setting(
        "HISTORY_SUBDIR",
        "results",
        subdirectory,
        "the project's folder of training histories, NAME.json; empty: there are none",
        may_be_empty=True,
    )
    class_labels: tuple[str, ...] = setting(
        "CLASS_LABELS", "0,1,2,3,4,5,6,7,8,9", words, "what a model tells apart, in the order of its outputs"
    )
    img_size: int = setting("IMG_SIZE", "8", whole(1, 4096), "pixels a side of the pictures a model takes")
    img_mean: tuple[float, ...] = setting(
        "IMG_MEAN", "0.485,0.456,0.406", channels(-1e6), "their mean, red, green and blue, on a scale of 0 to 1"
    )
    img_std: tuple[float, ...] = setting("IMG_STD", "0.229,0.224,0.225", channels(1e-6), "their standard deviation")
    flask_secret_key: str = setting(
        "FLASK_SECRET_KEY", "", any_text, "signs the sessions of the front; empty: a new one at each start"
    )

    def environment(self) -> dict[str, str]:
        """The settings that differ from their defaults, as environment variables for a child process."""
        return {row["name"]: self._text[row["name"]] for row in rows() if row["name"] in self._text}

    def after(self, before: Settings) -> tuple[Settings, list[str]]:
        """These settings for a farm that runs with those of *before*: what is fixed stays, and its names are told."""
        found, text, kept = {}, dict(self._text), []
        for row in (row for row in rows() if row["name"] in FIXED):
            name, value = row["name"], getattr(before, row["field"])
            if getattr(self, row["field"]) != value:
                kept.append(name)
            found[row["field"]] = value
            text.pop(name, None)
            text |= {name: before._text[name]} if name in before._text else {}
        return dataclasses.replace(self, **found, _text=text), kept

    @property
    def workers(self) -> int:
        """The most general workers that there may be."""
        return self.crew.most

    @property
    def in_checkout(self) -> bool:
        """Whether the farm's home is the checkout that this package lies in."""
        return CHECKOUT and self.home == str(ROOT)

    def by_name(self) -> dict[str, Any]:
        """Every value by its setting's name."""
        return {row["name"]: getattr(self, row["field"]) for row in rows()}

    #: The values as they were written, by setting name.
    _text: Mapping[str, str] = field(default_factory=dict, repr=False)


def rows() -> list[Mapping[str, Any]]:
    """The table: `name`, `default`, `parse`, `help` and `field` of each setting."""
    return [{**row.metadata, "field": row.name} for row in dataclasses.fields(Settings) if row.metadata]


def given(arguments: Sequence[str]) -> dict[str, str]:
    """The settings given on a command line: FARM_MAX_QUEUED is `--max-queued`."""
    parser = argparse.ArgumentParser(
        prog="launcher.py",
        description="Run the farm: the HTTP front and its workers, restarted when they die, stopped with this process.",
        epilog="Each option is also an environment variable, and a line in .env: --max-queued is FARM_MAX_QUEUED.",
    )
    takes_settings(parser)
    return vars(parser.parse_args(arguments))


def takes_settings(parser: argparse.ArgumentParser) -> None:
    """Add an option for every setting, of which only those that are given become attributes, by the setting's name."""
    for row in rows():
        option = "--" + row["name"].removeprefix("FARM_").lower().replace("_", "-")
        default = f" (default: {row['default']})" if row["default"] else ""
        about = row["help"].replace("%", "%%") + default
        parser.add_argument(option, dest=row["name"], metavar="X", default=argparse.SUPPRESS, help=about)


def use_home(path: str | None) -> str:
    """Make *path*, if given, the home of the farm for this process and all that it starts; return the home."""
    if path is not None:
        os.environ[HOME] = home(path)
    return home(os.environ.get(HOME, ""))


def env_file(overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """What stands in the `.env` of the farm's home. Raises SettingError when that wants to lie elsewhere."""
    where = _parsed(HOME, home, {**os.environ, **(overrides or {})}.get(HOME, ""))
    found = envfile.read(Path(where, ".env"), os.environ)
    if found.get(HOME):
        raise SettingError(f"{HOME} says where .env is looked for, so it cannot stand in {where}/.env")
    return found


def load(overrides: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: *overrides* win over the environment, and that over `.env`. Raises SettingError."""
    written = {**os.environ, **(overrides or {})}
    if COMPLETE not in written:
        written = env_file(overrides) | written
    text: dict[str, str] = {}
    values: dict[str, Any] = {}
    for row in rows():
        below = (values["home"],) if row["is_path"] else ()
        given = written.get(row["name"])
        if given is None or (not given.strip() and row["default"] and not row["may_be_empty"]):
            given = row["default"]
        else:
            text[row["name"]] = given.strip()
        values[row["field"]] = _parsed(row["name"], row["parse"], given, *below)
    if HOME in text:
        text[HOME] = values["home"]  # a child may have another working directory
    return Settings(**values, _text=text)


def _parsed(name: str, parse: Callable[..., T], given: str, *below: str) -> T:
    try:
        return parse(given.strip(), *below)
    except ValueError as error:
        said = name if name in SECRETS else f"{name}={given!r}"
        raise SettingError(f"{said} is not allowed: it takes {error}") from (None if name in SECRETS else error)
