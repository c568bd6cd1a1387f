"""Tesseract: lines in the languages that the recogniser inside does not know, read by Debian's command of that name."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import tempfile
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spoolfarm.errors import JobFailed, NotInstalled
from spoolfarm.tasks.ocr.page import Word

#: The languages, by Tesseract's codes, of which the recogniser inside knows all letters.
KNOWN = frozenset(
    [
        *("afr", "aze", "bos", "bre", "cat", "ces", "chi_sim", "chi_tra", "cym", "dan", "deu", "eng", "epo", "est"),
        *("eus", "fao", "fil", "fin", "fra", "gle", "glg", "hat", "hrv", "hun", "ind", "isl", "ita", "jav", "jpn"),
        *("lat", "lav", "lit", "ltz", "mlt", "mri", "msa", "nld", "nor", "oci", "pol", "por", "que", "ron", "slk"),
        *("slv", "spa", "sqi", "srp_latn", "swa", "swe", "tur"),
    ]
)
#: What Debian calls the languages of which it does not have the code in the name.
PACKAGES = {"deu_frak": "tesseract-ocr-frk", "deu_latf": "tesseract-ocr-frk"}
#: Pixels of its ground around a line, and a level of 255 below which a line's ground is dark.
MARGIN, DARK = 12, 110
#: Seconds for a page's lines, at most.
PATIENCE = 600
#: Tesseract reads each picture as a single line.
SINGLE_LINE = "7"
#: In Tesseract's TSV, the level of a word.
WORD = "5"
#: What reads Latin words in other scripts, and a score below which there may be some in a line.
LATIN, DOUBTFUL = "eng", 0.9

Reading = tuple[str, float, tuple[Word, ...]]


def known(languages: str) -> bool:
    """Whether the recogniser inside knows all of *languages*, codes joined by +."""
    return all(code in KNOWN for code in languages.split("+") if code)


def package(code: str) -> str:
    """The package of Debian that has a language."""
    return PACKAGES.get(code, f"tesseract-ocr-{code.replace('_', '-')}")


class Tesseract:
    """Reads lines in *languages*, codes joined by +, with at most *threads* threads."""

    def __init__(self, languages: str, threads: int = 1) -> None:
        """Raises NotInstalled, which names the packages, when the command or a language is missing."""
        self.languages = languages
        self._command = ["env", f"OMP_THREAD_LIMIT={threads}", "tesseract"]
        there = installed()
        missing = [package(code) for code in languages.split("+") if code not in there]
        if missing:
            raise NotInstalled(f"text in {languages!r} needs packages of the system: apt install {' '.join(missing)}")

    def read(self, line: np.ndarray[Any, Any]) -> Reading:
        """Read a picture that `recogniser.cut` made: its text, how sure that is, 0 to 1, and its words."""
        return self.read_all([line])[0]

    def read_all(self, lines: Sequence[np.ndarray[Any, Any]]) -> list[Reading]:
        """Read pictures, all in one run of the command. Raises JobFailed when that fails."""
        if not lines:
            return []
        with tempfile.TemporaryDirectory(prefix="tesseract-") as folder:
            names = []
            for number, line in enumerate(lines):
                name = Path(folder, f"{number}.png")
                cv2.imwrite(str(name), _prepared(line), [cv2.IMWRITE_PNG_COMPRESSION, 1])
                names.append(f"{name}\n")
            listed = Path(folder, "lines.txt")
            listed.write_text("".join(names))
            options = ["-l", self.languages, "--psm", SINGLE_LINE, "--dpi", "300", "tsv"]
            try:
                done = subprocess.run(
                    [*self._command, str(listed), "stdout", *options],
                    capture_output=True,
                    check=True,
                    stdin=subprocess.DEVNULL,
                    timeout=PATIENCE,
                )
            except subprocess.TimeoutExpired as error:
                raise JobFailed(f"tesseract took more than {PATIENCE} s") from error
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode("utf-8", "replace").strip()[-200:]
                raise JobFailed(f"tesseract failed: {said}") from error
        return _readings(done.stdout.decode("utf-8", "replace"), [line.shape[1] for line in lines])


class WithLatin(Tesseract):
    """Reads lines in which there may be Latin words: those of which it is not sure without these are read with them."""

    def __init__(self, languages: str, threads: int = 1) -> None:
        super().__init__(f"{languages}+{LATIN}", threads)
        self._alone = Tesseract(languages, threads)

    def read_all(self, lines: Sequence[np.ndarray[Any, Any]]) -> list[Reading]:
        """Read pictures, in two runs of the command. Raises JobFailed when that fails."""
        said = self._alone.read_all(lines)
        doubtful = [number for number, (_, score, _) in enumerate(said) if score < DOUBTFUL]
        for number, other in zip(doubtful, super().read_all([lines[number] for number in doubtful]), strict=True):
            said[number] = max(said[number], other, key=itemgetter(1))
        return said


def installed() -> frozenset[str]:
    """The languages that are installed; none without the command."""
    try:
        done = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(re.findall(r"^\w+$", done.stdout, re.MULTILINE))


def _prepared(line: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A line in grey, dark on light, with its ground around it."""
    grey: np.ndarray[Any, Any] = cv2.cvtColor(line, cv2.COLOR_BGR2GRAY)
    if np.median(grey) < DARK:
        grey = 255 - grey
    ground = int(np.percentile(grey, 90))
    return np.pad(grey, MARGIN, constant_values=ground)


def _readings(tsv: str, widths: Sequence[int]) -> list[Reading]:
    """What Tesseract's TSV says of pictures of these *widths*, each a page of it."""
    words: list[list[Word]] = [[] for _ in widths]
    scores: list[list[float]] = [[] for _ in widths]
    for row in csv.DictReader(io.StringIO(tsv), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] != WORD or not (text := (row["text"] or "").strip()):
            continue
        page = int(row["page_num"]) - 1
        left, width = int(row["left"]) - MARGIN, int(row["width"])
        start, end = (min(max(at / widths[page], 0.0), 1.0) for at in (left, left + width))
        words[page].append(Word(text, start, end))
        scores[page] += [float(row["conf"]) / 100] * len(text)
    return [
        (" ".join(word.text for word in told), float(np.mean(sure)) if sure else 0.0, tuple(told))
        for told, sure in zip(words, scores, strict=True)
    ]
