"""The front as the launcher sees it: it finds the settings on its standard input, so that a reload can change them."""

from __future__ import annotations

import json
import os
import selectors
import signal

from spoolfarm import config
from spoolfarm.launcher.child import Child
from spoolfarm.launcher.commands import command, complete, with_settings


class FrontChild(Child):
    """The HTTP front. The file in memory that is its standard input says what holds, now and after each reload."""

    def __init__(self, settings: config.Settings, selector: selectors.BaseSelector) -> None:
        super().__init__("front", command("server"), with_settings(settings), selector)
        self._told = os.memfd_create("settings")
        self._tell(settings)

    def start(self, *extra: str) -> None:
        self._exec(*extra, stdin=self._told)

    def reload(self, settings: config.Settings) -> None:
        """Have it serve by *settings*, with no request lost."""
        self.environment = with_settings(settings)
        self._tell(settings)
        self.signal(signal.SIGHUP)

    def _tell(self, settings: config.Settings) -> None:
        data = json.dumps(complete(settings)).encode()
        os.ftruncate(self._told, 0)  # who reads now finds no JSON, and tries again
        os.pwrite(self._told, data, 0)
