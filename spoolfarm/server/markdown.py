"""Markdown of the manual as HTML: headings have anchors, links stay in the manual, and what looks like HTML is text."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from PIL import Image

Tokens: TypeAlias = Sequence[Token]
#: What a page is shown with: the way to the farm's `root`; its `name`; the `folder` of all pages; the `path` of each.
Env: TypeAlias = MutableMapping[str, Any]

#: Where the pages say that the farm is: what leads there leads to this farm.
EXAMPLE = "http://127.0.0.1:8090"
#: A link to a page: its name, its language if it is a translation, and the heading.
_TO_PAGE = re.compile(r"([\w-]+)(\.zh-CN)?\.md(#.*)?")
#: A link to a file that lies among the pages.
_TO_FILE = re.compile(r"[\w-]+(/[\w.-]+)*\.\w+")


class Renderer(RendererHTML):
    """Writes the tokens of a page. A method is the rule of one kind of token; it gets all of them, and which it is."""

    def heading_open(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        anchor, *others = tokens[at].meta["anchors"]
        marks = "".join(f'<span id="{escapeHtml(other)}"></span>' for other in others if other != anchor)
        return f'<{tokens[at].tag} id="{escapeHtml(anchor)}">{marks}'

    def heading_close(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        anchor = escapeHtml(tokens[at - 2].meta["anchors"][0])
        return f'<a class="anchor" href="#{anchor}" aria-hidden="true" tabindex="-1">#</a></{tokens[at].tag}>\n'

    def table_open(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        return '<div class="table">\n<table>\n'

    def table_close(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        return "</table>\n</div>\n"

    def image(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        source = str(tokens[at].attrs["src"])
        size = ""
        if not source.endswith(".svg"):
            with Image.open(Path(env["folder"], source)) as picture:
                size = ' width="{}" height="{}"'.format(*picture.size)
        alt = self.renderInlineAsText(tokens[at].children, options, env)
        address = escapeHtml(f"{env['root']}help/files/{source}")
        return f'<img src="{address}" alt="{escapeHtml(alt)}"{size} loading="lazy">'

    def link_open(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        address = _address(str(tokens[at].attrs["href"]), env)
        return f'<a href="{escapeHtml(address)}">' if address else "<span>"

    def link_close(self, tokens: Tokens, at: int, options: Any, env: Env) -> str:
        begun = next(token for token in reversed(tokens[:at]) if token.type == "link_open")
        return "</a>" if _address(str(begun.attrs["href"]), env) else "</span>"


def _address(target: str, env: Env) -> str:
    """Where a link leads from the page that is shown; "" where that is nowhere, as it is not in the manual."""
    if target.startswith(EXAMPLE):
        return f"{env['root']}{target.removeprefix(EXAMPLE).removeprefix('/')}"
    if target.startswith(("#", "http://", "https://")):
        return target
    if page := _TO_PAGE.fullmatch(target):
        name, translated, heading = page.groups("")
        language = "?lang=zh" if translated else "?lang=en" if name == env["name"] else ""
        return f"{env['root']}{env['path'](name)}{language}{heading}"
    return f"{env['root']}help/files/{target}" if _TO_FILE.fullmatch(target) else ""


_MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer).enable("table")


def parse(text: str, others: Sequence[str] = ()) -> list[Token]:
    """The tokens of a page. Its headings have anchors as GitHub makes them, and besides one each of *others*."""
    tokens = _MARKDOWN.parse(text)
    taken: dict[str, int] = {}
    heads = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    for number, at in enumerate(heads):
        anchor = re.sub(r"[^\w\- ]", "", plain(tokens[at + 1]).lower()).strip().replace(" ", "-")
        again = taken[anchor] = taken.get(anchor, -1) + 1
        tokens[at].meta["anchors"] = [f"{anchor}-{again}" if again else anchor, *others[number : number + 1]]
    return tokens


def render(tokens: Sequence[Token], env: Env) -> str:
    """The HTML of *tokens*."""
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env))


def plain(token: Token) -> str:
    """The words of an inline token or of an example."""
    if token.children is None:
        return token.content
    breaks = ("softbreak", "hardbreak")
    return "".join(" " if child.type in breaks else child.content for child in token.children)


def blocks(tokens: Sequence[Token]) -> Iterator[str]:
    """The words of *tokens*: of each paragraph, each row of a table and each example."""
    row: list[str] | None = None
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            yield " · ".join(filter(None, row or ()))
            row = None
        elif token.type in ("inline", "fence", "code_block"):
            if row is None:
                yield plain(token)
            else:
                row.append(plain(token))
