"""Who reads the environment: the settings, and those who hand it on."""

from __future__ import annotations

import re

from tests.rules.test_imports import FILES

#: The files that may read the environment, each for a reason of its own.
READERS = {
    "desk.py",  # hands it on to the process that does a batch, without secrets
    "examination.py",  # hands it on to the doctor
    "config.py",  # the table
    "threads.py",  # the budget that the launcher hands a worker
    "doctor.py",  # names what is set and is no setting
    "zygote.py",  # makes what a worker is to have its own
    "cluster.py",  # tells Ray, which reads nothing else, to send its token
    *("launcher.py", "commands.py", "reaper.py", "daemon.py"),  # hand it on to what they start
    "main.py",  # is told there that a shell asks for what may stand at the cursor
    "front.py",  # throws away what Gunicorn would read
    "start_command.py",  # where programs are searched for
    "flwr_run.py",  # hands it on to Flower, run alone
    "session.py",  # hands it on to a simulation, less the secrets
}


def test_only_the_settings_read_the_environment() -> None:
    for path in FILES:
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text()):
            assert path.name in READERS, path
