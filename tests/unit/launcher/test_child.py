"""A child of the launcher: how it ended is found, whatever was sent to it."""

from __future__ import annotations

import os
import selectors
import signal

from spoolfarm.launcher.child import Child


def test_how_a_child_ended_is_found_though_a_signal_came_too_late_for_it() -> None:
    with selectors.DefaultSelector() as selector:
        child = Child("front", ["sh", "-c", "exit 3"], dict(os.environ), selector)
        child.start()
        assert child.pid
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        child.signal(signal.SIGTERM)
        assert child.reap() == "exit status 3"
        assert child.reap() is None
