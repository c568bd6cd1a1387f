"""The output of a simulation: bytes become lines, never more than a log can hold; the last say why it failed."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterable

#: Letters of one line at most; a longer one is told in pieces.
LONGEST = 8192
#: Seconds after which an unfinished line is passed on: a question, or a progress bar.
PATIENCE = 0.5
#: Bytes that a log holds of one simulation; each line counts LINE more.
LOG, LINE = 16 * 2**20, 64
#: How many of the lines beyond that are still passed on, the last ones.
TAIL = 100
#: How Python begins to tell of an exception, and the letters that a reason has at most.
TRACEBACK, REASON = "Traceback (most recent call last)", 300
#: What boxes around errors are drawn with, and what each line in one begins with.
FRAME, SIDE = " \t\r\n╭╮╰╯─│", "│"
#: What stands in output for a terminal's colours.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Lines:
    """Cuts what is printed into lines. Of a line that was overwritten (by a carriage return) the last state counts."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._since = 0.0

    def feed(self, data: bytes, now: float) -> list[str]:
        """The lines that *data* completes, and what has waited for its end too long."""
        if data:
            if not self._rest:
                self._since = now
            *whole, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
            if whole:
                self._since = now
            found = [piece for line in whole for piece in _pieces(line)]
        else:
            found = []
        if self._rest and (len(self._rest) > LONGEST or now - self._since >= PATIENCE):
            found += _pieces(self._rest)
            self._rest = ""
        return found

    def end(self) -> list[str]:
        """What is left at the end of the output."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        return _pieces(rest) if rest else []


def _pieces(line: str) -> list[str]:
    if "\r" in line:
        line = next((state for state in reversed(line.split("\r")) if state), "")
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)] or [""]


class Log:
    """Passes lines on to *write* until the log is full; of the rest, the last ones follow at the end."""

    def __init__(self, write: Callable[[str], None], room: int = LOG) -> None:
        self._write = write
        self._room = room
        self._left_out = 0
        #: The last lines, whether they found room or not.
        self._tail: deque[str] = deque(maxlen=TAIL)

    @property
    def reason(self) -> str:
        """Why what has written this failed, as far as its last lines tell."""
        return reason(self._tail)

    def add(self, line: str) -> None:
        """Tell *line*, or keep it for the end."""
        self._tail.append(line)
        if self._left_out == 0:
            self._room -= len(line.encode(errors="replace")) + LINE
            if self._room >= 0:
                self._write(line)
                return
            self._write("[the log is full; of what follows only the last lines will be told, at the end]")
        self._left_out += 1

    def close(self) -> None:
        """Tell the last lines that found no room."""
        if self._left_out > TAIL:
            self._write(f"[{self._left_out - TAIL} lines are left out]")
        for line in [*self._tail][-self._left_out :] if self._left_out else ():
            self._write(line)


def reason(lines: Iterable[str]) -> str:
    """How the last traceback in *lines* ends, which is what was raised; without one the last line, or all of a box."""
    raised = last = ""
    inside = False
    box: list[str] = []
    for line in (COLOUR.sub("", each) for each in lines):
        words = line.strip(FRAME)
        if not words:
            continue
        if line.startswith(TRACEBACK):
            inside = True
        elif inside and not line.startswith((" ", "\t")):
            raised, inside = words, False
        box = [*box, words] if line.startswith(SIDE) else []
        last = " ".join(box) or words
    return (raised or last)[:REASON]
