"""The lease on a run: a locked file by which its ServerApp, a process elsewhere, knows that the run is still wanted.

Whoever asks for the run holds the lock on the first byte, and the ServerApp the one on the second, each for life: the
kernel drops them, however a process ends. The file's text is the farm's job, when it is one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

#: The bytes that are locked.
ASKER, SERVER = 0, 1
#: What tells the ServerApp that its run is given up.
SIGNAL = signal.SIGUSR1
#: Seconds until it is killed, those that whoever gives up waits for it, and those between looks.
LAST, END, LOOK = 1.5, 2.0, 0.05


class GivenUp(SystemExit):
    """Nobody wants the run any more."""


@contextlib.contextmanager
def held(folder: Path, job: str) -> Iterator[Path]:
    """Hold a new lease in *folder*; afterwards the ServerApp ends, if it has not, and the file is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".lease.{os.getpid()}.{os.urandom(4).hex()}"
    with path.open("x+") as file:
        file.write(job)
        file.flush()
        fcntl.lockf(file, fcntl.LOCK_EX, 1, ASKER)
        try:
            yield path
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, ASKER)
            _wait_for_the_server(file.fileno())
            path.unlink(missing_ok=True)


def serve(path: str) -> str:
    """Have GivenUp raised in the main thread, from which this is called, when the lease at *path* is given up.

    Returns the job. A process that has not ended soon after that is killed. Raises RuntimeError when there is no such
    lease.
    """
    try:
        file = open(path, "r+")  # noqa: SIM115 - held for life
    except OSError as error:
        raise RuntimeError(
            f"nobody waits here for this run ({path}: {error.strerror}): it was given up, or flower-superexec runs "
            "neither on the farm's machine nor as its user"
        ) from error
    fcntl.lockf(file, fcntl.LOCK_EX, 1, SERVER)
    signal.signal(SIGNAL, _give_up)
    main = threading.get_ident()

    def watch() -> None:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, ASKER)
        Path(path).unlink(missing_ok=True)  # when the asker was killed
        signal.pthread_kill(main, SIGNAL)
        time.sleep(LAST)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="lease", daemon=True).start()
    return file.read()


def _give_up(number: int, frame: FrameType | None) -> None:
    raise GivenUp(f"the run was given up ({signal.Signals(number).name})")


def _wait_for_the_server(descriptor: int) -> None:
    deadline = time.monotonic() + END
    while time.monotonic() < deadline:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, SERVER)
            return
        except OSError:
            time.sleep(LOOK)
