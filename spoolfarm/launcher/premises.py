"""Premises: what has to hold before a farm starts, or it ends at once with the setting that does not fit."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from spoolfarm import config
from spoolfarm.errors import SettingError
from spoolfarm.spool import files


def check(settings: config.Settings) -> None:
    """Raise SettingError when a farm could not run with *settings*, whose folders are made already."""
    check_addresses(settings.bind)
    check_inbox(settings)
    check_file_systems(settings)


def check_addresses(addresses: Sequence[config.Address]) -> None:
    """Raise SettingError when the front could not listen on all of *addresses* at once."""
    with ExitStack() as held:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            probe = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.host, address.port))
                probe.listen(1)  # only then is one of 0.0.0.0 in the way of one of 127.0.0.1
            except OSError as error:
                raise SettingError(f"FARM_BIND={address}: cannot listen there: {error.strerror}") from error


def check_inbox(settings: config.Settings) -> None:
    """Raise SettingError when what the farm writes would land in its hot folder, to be taken for new files for ever."""
    inbox = os.path.realpath(f"{settings.spool_dir}/inbox")
    written = {
        "FARM_RESULTS_DIR": (settings.results_dir, f"{settings.results_dir}/inbox"),
        "FARM_DATA_DIR": (settings.data_dir, settings.data_dir),
        "FARM_RUN_DIR": (settings.run_dir, settings.run_dir),
    }
    for name, (given, folder) in written.items():
        if os.path.commonpath((inbox, os.path.realpath(folder))) == inbox:
            raise SettingError(
                f"{name}={given}: is in the hot folder of FARM_SPOOL_DIR; name a folder outside the spool"
            )


def check_file_systems(settings: config.Settings) -> None:
    """Raise SettingError when nothing could appear in the spool or the results once and be replaced never."""
    for name, root in (("FARM_SPOOL_DIR", settings.spool_dir), ("FARM_RESULTS_DIR", settings.results_dir)):
        if not files.can_publish(f"{root}/tmp"):
            raise SettingError(f"{name}={root}: {files.CANNOT_PUBLISH}")


@contextmanager
def named(settings: config.Settings) -> Iterator[None]:
    """Raise SettingError in place of an OSError about one of the farm's folders, so that it names the setting."""
    folders = {
        "FARM_SPOOL_DIR": settings.spool_dir,
        "FARM_RESULTS_DIR": settings.results_dir,
        "FARM_DATA_DIR": settings.data_dir,
    }
    try:
        yield
    except OSError as error:
        for name, folder in folders.items():
            if f"{error.filename}/".startswith(f"{folder}/"):
                said = f"{name}={folder}: cannot be used: {error.strerror}: {str(error.filename)!r}"
                raise SettingError(said) from error
        raise
