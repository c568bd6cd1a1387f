"""The front's process: Gunicorn with one worker process and many threads, most of which wait for results."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.http.errors import ParseException

from spoolfarm import config
from spoolfarm.server import upstream
from spoolfarm.server.app import create_app, malformed
from spoolfarm.server.views.board import HISTORY
from spoolfarm.server.views.uploads import UPLOADS
from spoolfarm.system import log_lines, process

#: Seconds an idle connection is kept for the client's next request.
KEEP_ALIVE = 30
#: Seconds in which the launcher has to have written the settings.
ADOPTION = 5.0
#: Connections beyond those that are being served.
SPARE_CONNECTIONS = 1500
#: Descriptors for all that is no connection.
OTHER_DESCRIPTORS = 200


class Front(BaseApplication):  # type: ignore[misc]
    """Gunicorn, set up from the farm's settings; one that is *launched* finds them on its standard input."""

    def __init__(self, *, launched: bool) -> None:
        self._launched = launched
        super().__init__()

    def load_config(self) -> None:
        """Called at the start and at every reload."""
        if self._launched:
            adopt()
        settings = config.load()
        log_lines.begin(settings.log, "front", logging.WARNING)
        for name, value in options(settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called in the worker process."""
        return create_app()


def adopt(descriptor: int = 0) -> None:
    """Make the settings in the file behind *descriptor*, which the launcher writes anew at a reload, this process's."""
    end = time.monotonic() + ADOPTION
    while True:
        try:
            found: dict[str, str] = json.loads(os.pread(descriptor, 2**20, 0))
            break
        except ValueError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)  # it is being written
    for row in config.rows():
        os.environ.pop(row["name"], None)
    os.environ.update(found)


def options(settings: config.Settings) -> dict[str, Any]:
    """What the front needs from Gunicorn, by the names of Gunicorn's settings."""
    if settings.access_log not in ("", "-"):
        os.makedirs(os.path.dirname(settings.access_log), exist_ok=True)
    room = max(process.raise_descriptors() - OTHER_DESCRIPTORS, OTHER_DESCRIPTORS)
    return {
        "bind": [str(address) for address in settings.bind],
        "workers": 1,
        "worker_class": "spoolfarm.server.patches.FrontWorker",  # loaded once it is known that it can be
        "threads": settings.front_threads,
        "worker_connections": min(settings.front_threads + SPARE_CONNECTIONS, room),
        "keepalive": KEEP_ALIVE,
        "graceful_timeout": max(1, int(settings.grace)),
        "timeout": 60,
        "loglevel": "warning",
        "accesslog": settings.access_log or None,
        "control_socket_disable": True,
        "forwarder_headers": "",  # else a client on this machine may name any path in a header
        "post_fork": _post_fork,
        "post_worker_init": _post_worker_init,
        "worker_exit": _worker_exit,
    }


def _post_fork(_server: Any, worker: Any) -> None:
    from spoolfarm.server import patches

    process.die_with_parent(worker.ppid)
    process.stay_on_one_core()
    patches.patch_gunicorn()
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is told to its sender


def _post_worker_init(worker: Any) -> None:
    worker.wsgi.register_error_handler(ParseException, malformed)
    worker.wsgi.extensions[UPLOADS].keep_settling()
    worker.wsgi.extensions[HISTORY].keep()


def _worker_exit(_server: Any, worker: Any) -> None:
    """Called when the worker process has answered its last request."""
    if application := getattr(worker, "wsgi", None):
        application.extensions[UPLOADS].close()
        application.extensions[HISTORY].close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the front; see `python server.py --help`."""
    command = argparse.ArgumentParser(prog="server.py", description="The farm's HTTP front alone, on FARM_BIND.")
    command.add_argument("--launcher", type=int, metavar="PID", help=argparse.SUPPRESS)
    options = command.parse_args(arguments)
    log_lines.begin("text", "front", logging.WARNING)
    if options.launcher:
        process.die_with_parent(options.launcher)
    process.end_at_once()
    try:
        upstream.check()
    except ImportError as error:
        print(f"server.py: {error}", file=sys.stderr)  # noqa: T201
        return 1
    os.environ.pop("GUNICORN_CMD_ARGS", None)
    Front(launched=bool(options.launcher)).run()
    return 0
