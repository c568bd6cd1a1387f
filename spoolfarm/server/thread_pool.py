"""The threads of the front: as many as its setting says, and where the system gives no more, those that there are."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)


class ThreadPool(ThreadPoolExecutor):
    """Takes work even when no thread can be started for it: then it waits for one of the others."""

    def __init__(self, most: int) -> None:
        """Raises RuntimeError when not even one thread can be started."""
        super().__init__(most)
        #: With how many threads there were no more to be had, when that was last logged.
        self._told = 0
        #: How often a thread will count as idle once too often, because it does what no new one could be started for.
        self._owed = 0
        self.submit(int)  # from now on there is one thread at least

    def _adjust_thread_count(self) -> None:
        """Start a thread if none is idle; the standard library calls this when the work is in the queue already."""
        while self._owed and self._idle_semaphore.acquire(timeout=0):
            self._owed -= 1
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._threads:
                raise
            self._owed += 1
            if len(self._threads) != self._told:
                self._told = len(self._threads)
                log.warning("requests wait for one of %d threads: %s", self._told, error)
