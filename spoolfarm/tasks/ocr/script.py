"""The script: letters that the recogniser inside does not know, and the languages of Tesseract written in them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter

from spoolfarm.tasks.ocr.legible import surety
from spoolfarm.tasks.ocr.letters import is_square
from spoolfarm.tasks.ocr.page import Line
from spoolfarm.tasks.ocr.tesseract import Reading, package

#: By what Unicode calls their letters: languages by Tesseract's codes. The first stands for all of its script.
LANGUAGES = {
    "CYRILLIC": "rus ukr bul srp bel mkd kaz kir tgk tat mon uzb_cyrl aze_cyrl",
    "GREEK": "ell grc",
    "HANGUL": "kor",
    "ARABIC": "ara fas urd pus snd uig",
    "HEBREW": "heb yid",
    "DEVANAGARI": "hin mar nep san",
    "BENGALI": "ben asm",
    "GURMUKHI": "pan",
    "GUJARATI": "guj",
    "ORIYA": "ori",
    "TAMIL": "tam",
    "TELUGU": "tel",
    "KANNADA": "kan",
    "MALAYALAM": "mal",
    "SINHALA": "sin",
    "THAI": "tha",
    "LAO": "lao",
    "MYANMAR": "mya",
    "KHMER": "khm",
    "TIBETAN": "bod dzo",
    "GEORGIAN": "kat",
    "ARMENIAN": "hye",
    "ETHIOPIC": "amh tir",
    "SYRIAC": "syr",
    "THAANA": "div",
    "CHEROKEE": "chr",
    "CANADIAN": "iku",
}
#: The recogniser takes letters that it does not know for nothing. A line at least so many times as long as high was
#: read when it says so many letters, weighed by how sure they are, on a piece of it as long as it is high.
LONG, READ = 3.0, 0.8
#: A page is strange when this part of its lines, by length, was not read: of 125 real pages in known scripts none had
#: more than 0.124. So is one of which most letters, and at least so many, are Greek: without accents, these are known.
PART, MANY = 0.2, 20
#: So many lines are read in one language of each script, and so many pixels of their length when they are 48 high.
SAMPLE, SAMPLE_LENGTH = 3, 800
#: Tesseract's reading of a sample tells a script from this product of its score and its part of letters of that script.
TOLD = 0.5
#: So sure Tesseract is of letters in the mean, when they are of the script that it was told.
SURE = 0.8
#: A reading of the recogniser inside is so much surer than one in the other script, when it is the right one: it takes
#: АКТ for AKT. In a line with Latin words a smaller part of letters in the other script is a slip.
SURER, SOME = 0.1, 0.1
#: A word in Latin letters, on a line that was read with this score.
LATIN_WORD, SEEN = re.compile("[A-Za-z]{4}"), 0.9
#: What stands for a language when nobody knows which it is.
EXAMPLE = "rus"


def unread(lines: Iterable[Line]) -> list[Line]:
    """Those of *lines* whose letters the recogniser inside does not know."""
    return [line for line in lines if _is_long(line) and _letters_seen(line) < READ]


def is_strange(lines: Sequence[Line]) -> bool:
    """Whether much of a page with *lines*, as the recogniser inside read them, is in a script that it does not know."""
    length = sum(line.box.w for line in lines if _is_long(line))
    return sum(line.box.w for line in unread(lines)) > PART * length or seen(lines) is not None


def sample(lines: Sequence[Line]) -> list[Line]:
    """A few long lines of a strange page."""
    return sorted(unread(lines) or lines, key=lambda line: -line.box.w / line.box.h)[:SAMPLE]


def seen(lines: Iterable[Line]) -> str | None:
    """The script of most letters that the recogniser inside read, where it is one of LANGUAGES."""
    text = "".join(line.text for line in lines)
    return of(text) if sum(map(str.isalpha, text)) >= MANY else None


def of(text: str) -> str | None:
    """The script of most letters of *text*, where it is one of LANGUAGES."""
    told = _scripts(text).most_common(1)
    return told[0][0] if told and told[0][0] in LANGUAGES else None


def samples(there: Iterable[str]) -> str:
    """A language of each script, joined by +, of which some are *there*."""
    return "+".join(codes[0] for name in LANGUAGES if (codes := _of_script(name, there)))


def told(ways: Sequence[Sequence[Reading]]) -> str | None:
    """The script that a sample of lines tells, read in a language of each script in all *ways* in which it may run."""
    votes: dict[tuple[int, str], float] = defaultdict(float)
    for way, readings in enumerate(ways):
        total = sum(map(str.isalnum, "".join(text for text, _, _ in readings)))
        for text, score, _ in readings:
            for name, count in _scripts(text).items():
                if name in LANGUAGES:
                    votes[way, name] += score * count / total
    (_, name), sure = max(votes.items(), key=itemgetter(1), default=((0, ""), 0.0))
    return name if sure >= TOLD else None


def languages(name: str, there: Iterable[str]) -> str:
    """Those of the script *name* that are *there*, joined by +."""
    return "+".join(_of_script(name, there))


def has_latin(lines: Iterable[Line]) -> bool:
    """Whether the recogniser inside surely read Latin words in *lines*."""
    return any(line.score >= SEEN and LATIN_WORD.search(line.text) for line in lines)


def better(told: Line, inside: Line) -> Line:
    """What a line says, of what Tesseract and the recogniser *inside* read."""
    if (_is_long(inside) and _letters_seen(inside) < READ) or not inside.text.strip():
        return told
    scripts = _scripts(told.text)
    other = sum(count for name, count in scripts.items() if name in LANGUAGES)
    margin = SURER if other > SOME * scripts.total() else 0.0
    return inside if inside.score > told.score + margin else told


def is_right(name: str, lines: Sequence[Line], inside: Sequence[Line]) -> bool:
    """Whether Tesseract read *lines* rightly in the script *name*, after the recogniser *inside* read them."""
    return seen(inside) == name or surety([line for line in lines if of(line.text) == name]) >= SURE


def advice(inside: Sequence[Line]) -> str:
    """What to say of a page that is strange: the recogniser *inside* read these lines."""
    name = seen(inside)
    code, language = (EXAMPLE, "Russian") if name is None else (LANGUAGES[name].split()[0], name.capitalize())
    return (
        f"many of these letters are not known here; Tesseract reads other scripts where it is installed with their "
        f"languages, such as {language}: apt install {package(code)}"
    )


def _of_script(name: str, there: Iterable[str]) -> list[str]:
    return [code for code in LANGUAGES[name].split() if code in there]


def _scripts(text: str) -> Counter[str]:
    """How many letters of *text* are in which script, as the names of letters in Unicode begin."""
    return Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())


def _is_long(line: Line) -> bool:
    return line.box.w >= LONG * line.box.h


def _letters_seen(line: Line) -> float:
    """How many letters, by how sure they are, a piece of *line* says that is as long as high; square ones are two."""
    count = sum(1 + is_square(letter) for letter in line.text if not letter.isspace())
    return line.score * count * line.box.h / line.box.w
