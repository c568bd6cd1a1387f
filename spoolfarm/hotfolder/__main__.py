"""The process of the hot folder: one per farm, `python -m spoolfarm.hotfolder`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from spoolfarm import config
from spoolfarm.errors import FarmError
from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.spool.lock import close_to_others, lock
from spoolfarm.system import log_lines, process

#: Seconds to wait for the lock: the hot folder of a launcher that was killed is dying.
PATIENCE = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the hot folder until a signal ends it."""
    parser = argparse.ArgumentParser(prog="spoolfarm.hotfolder", description="The farm's hot folder, alone.")
    parser.add_argument("--launcher", type=int, metavar="PID", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.launcher:
        process.die_with_parent(options.launcher)
    process.end_at_once()
    log_lines.begin("text", "hot folder")
    try:
        settings = config.load()
        log_lines.begin(settings.log, "hot folder")
        farm = Farm(settings=settings, source="inbox")
        alone = lock(f"{farm.spool.root}/hotfolder.lock")
        close_to_others(alone.lock_file)
        alone.acquire(timeout=PATIENCE)
        hot_folder = HotFolder(farm)
    except (FarmError, OSError) as error:  # a Timeout of the lock is an OSError
        print(f"hotfolder: {error}", file=sys.stderr)  # noqa: T201
        return 1
    signal.signal(signal.SIGTERM, hot_folder.stop)
    signal.signal(signal.SIGINT, hot_folder.stop)
    hot_folder.run()
    alone.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
