"""The manual: the pages of docs/ by chapter, in the reader's language where they are, and a search over them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it.token import Token

#: Where the pages lie: docs/ of the repository, of which the package has a copy.
FOLDER = Path(__file__).parent / "docs"
#: The pages by chapter, in the order in which they are shown, and found.
CHAPTERS = {
    "first": ("help", "coming-from", "page"),
    "ways": ("http", "python", "cli", "batch", "inbox", "platform"),
    "tasks": ("ocr", "documents", "masks", "measure", "labels", "model", "edit", "federated", "tasks"),
    "service": ("settings", "deploy", "monitoring", "scale", "reliability", "architecture"),
}
#: How the name of a page's file ends, by language; a page that is not in the reader's is shown in the first.
SUFFIXES = {"en": ".md", "zh": ".zh-CN.md"}
#: Sections that a search finds at most, and letters of each that are shown.
MOST_FOUND, SHOWN = 20, 240


@dataclass(frozen=True)
class Section:
    """A heading, and what stands below it until the next: paragraphs, rows of tables, examples."""

    anchor: str
    title: str
    level: int
    blocks: tuple[str, ...]

    @functools.cached_property
    def whole(self) -> str:
        """All of its words, in lower case."""
        return " ".join((self.title, *self.blocks)).casefold()


@dataclass(frozen=True)
class Found:
    """A section that fits a search, with the words in it that fit best."""

    page: str
    title: str
    section: Section
    excerpt: str


def names() -> list[str]:
    """The names of all pages, in their order."""
    return [name for chapter in CHAPTERS.values() for name in chapter]


def path(name: str) -> str:
    """Where page *name* is shown, from the farm's root; the first page is the front of the manual."""
    return "help" if name == "help" else f"help/{name}"


def language_of(name: str, language: str) -> str:
    """The language in which readers of *language* get page *name*."""
    return next(each for each in (language, *SUFFIXES) if _file(name, each).is_file())


def _file(name: str, language: str) -> Path:
    return FOLDER / f"{name}{SUFFIXES[language]}"


@functools.cache
def title(name: str, language: str) -> str:
    """The title of page *name*, which is its first line; the list of all pages has no need to read them whole."""
    with open(_file(name, language_of(name, language)), encoding="utf-8") as lines:
        return next(lines).removeprefix("# ").strip()


@functools.cache
def sections(name: str, language: str) -> tuple[Section, ...]:
    """What page *name* says; the first section has the title of the page."""
    from spoolfarm.server.markdown import blocks, plain

    tokens = _tokens(name, language_of(name, language))
    heads = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    return tuple(
        Section(
            anchor=tokens[at].meta["anchors"][0],
            title=plain(tokens[at + 1]),
            level=int(tokens[at].tag[1:]),
            blocks=tuple(blocks(tokens[at + 3 : end])),
        )
        for at, end in zip(heads, [*heads[1:], len(tokens)], strict=True)
    )


@functools.cache
def html(name: str, language: str, root: str) -> Markup:
    """Page *name* for readers of *language*; *root* is the way from where it is shown to the farm's root."""
    from spoolfarm.server.markdown import render

    env = {"root": root, "name": name, "folder": FOLDER, "path": path}
    return Markup(render(_tokens(name, language_of(name, language)), env))


def search(query: str, language: str) -> list[Found]:
    """The sections that have all words of *query* in their titles or below them, the best first.

    The best have most of the words in their title and in one paragraph, and the query as it stands.
    """
    words = query.casefold().split()
    phrase = [" ".join(words), *words]
    ranked = []
    for name in names():
        page = title(name, language)
        for section in sections(name, language):
            if words and all(word in section.whole or _hits(page, [word]) for word in words):
                best = max(section.blocks, key=lambda block: _hits(block, phrase), default="")
                rank = _hits(section.title, words) + _hits(best, phrase)
                ranked.append((rank, Found(name, page, section, _excerpt(best, words))))
    ranked.sort(key=lambda each: -each[0])  # of equals, the first in the manual is first
    return [found for rank, found in ranked[:MOST_FOUND] if rank]


def _places(text: str, words: Iterable[str]) -> list[int]:
    """Where *text* has each of *words*, if it has it: in any case, and as the beginning of a word."""
    found = (re.search(f"(?<![a-z0-9]){re.escape(word)}", text, re.IGNORECASE) for word in words)
    return [each.start() for each in found if each]


def _hits(text: str, words: Iterable[str]) -> int:
    """How many of *words* are in *text*."""
    return len(_places(text, words))


def _excerpt(text: str, words: Iterable[str]) -> str:
    """The piece of *text* around the first of *words* that is in it."""
    first = min(_places(text, words), default=0)
    begin = 0 if first < SHOWN // 2 else text.rfind(" ", 0, first - SHOWN // 4) + 1
    end = begin + SHOWN
    return f"{'… ' if begin else ''}{text[begin:end].strip()}{' …' if end < len(text) else ''}"


def _tokens(name: str, language: str) -> list[Token]:
    """The tokens of a page's Markdown. A translation has the anchors of the page that it is of, too."""
    from spoolfarm.server.markdown import parse

    original = next(iter(SUFFIXES))
    others = [section.anchor for section in sections(name, original)] if language != original else []
    return parse(_file(name, language).read_text("utf-8"), others)
