"""Values: what the text of each kind of setting means, or a ValueError that says what is allowed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
#: The most workers of a farm.
MOST_WORKERS = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def near(self) -> str:
        """The host by which this machine itself reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def url(self) -> str:
        """What to open in a browser on this machine."""
        return f"http://{replace(self, host=self.near)}"


@dataclass(frozen=True, slots=True)
class Crew:
    """How few and how many workers there may be."""

    least: int
    most: int

    def __str__(self) -> str:
        return str(self.most) if self.least == self.most else f"{self.least}-{self.most}"


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def crew(text: str) -> Crew:
    match = re.fullmatch(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?", text)
    found = Crew(int(match[1]), int(match[2] or match[1])) if match else Crew(1, 0)
    if not (found.least <= found.most <= MOST_WORKERS) or (found.least == 0 and found.most):
        raise ValueError(f"a whole number from 0 to {MOST_WORKERS}, or two of them from 1 such as 2-8")
    return found


def seconds(low: float = 0.01, high: float = 31_536_000) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not low <= value <= high:
            raise ValueError(f"seconds from {low:g} to {high:.0f}")
        return value

    return parse


def path(text: str, below: str, kind: str) -> str:
    """The path that *text* means, `~` and `$HOME` as in a shell, *below* the farm's home when it is relative."""
    meant = os.path.expanduser(os.path.expandvars(text))
    if not meant or "\0" in meant or meant.startswith("~") or "$" in meant:
        raise ValueError(f"{kind}; ~, $NAME and ${{NAME}} mean what they mean in a shell, where they mean anything")
    return str(Path(below, meant))


def directory(text: str, below: str) -> str:
    return path(text, below, "a directory")


def log_file(text: str, below: str) -> str:
    if text in ("", "-"):
        return text
    kind = "-, or the path of a file in a directory that exists, or can be made in one that does"
    found = path(text, below, kind)
    folder = os.path.dirname(found)
    if not os.path.isdir(folder if os.path.lexists(folder) else os.path.dirname(folder)) or os.path.isdir(found):
        raise ValueError(kind)
    return found


def key(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("letters, digits and signs of ASCII: a header has to carry it")
    return text


def file_if_any(text: str, below: str) -> str:
    return path(text, below, "a file") if text else ""


def directory_if_any(text: str, below: str) -> str:
    return directory(text, below) if text else ""


def any_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("any text without a byte 0")
    return text


def words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def addresses(text: str) -> tuple[Address, ...]:
    found = []
    for part in words(text):
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})", part)
        if not match or not 0 < int(match[3]) < 65536:
            raise ValueError("HOST:PORT, or several with commas between")
        found.append(Address(match[1] or match[2], int(match[3])))
    if not found:
        raise ValueError("HOST:PORT, or several with commas between")
    return tuple(dict.fromkeys(found))


def hosts(text: str) -> tuple[str, ...]:
    """The names of hosts, without a port that somebody has copied with one: any port of a host is the same to us."""
    found = []
    for part in words(text):
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@\[\]*]+))(?::\d{1,5})?|([0-9A-Fa-f:.]+)", part)
        if not match:
            raise ValueError("names of hosts such as farm.example.org with commas between, each in full")
        found.append(match[1] or match[2] or match[3])
    return tuple(found)


def address(text: str) -> Address:
    try:
        [found] = addresses(text)
    except ValueError:
        raise ValueError("HOST:PORT") from None
    return found


def address_if_any(text: str) -> Address | None:
    return address(text) if text else None


def executor(text: str) -> str:
    if text not in ("local", "ray"):
        raise ValueError("local or ray")
    return text


def resources(text: str) -> dict[str, dict[str, float]]:
    """For each task, how much it needs of what: `segment:GPU=1,CPU=2;ocr:CPU=1`."""
    found: dict[str, dict[str, float]] = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        task, _, needs = part.partition(":")
        amounts = [re.fullmatch(r"([A-Za-z]\w*)\s*=\s*(\d{1,9}(?:\.\d{1,4})?)", word) for word in words(needs)]
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", task.strip()) or not amounts or not all(amounts):
            raise ValueError("task:NAME=AMOUNT,NAME=AMOUNT, or several with semicolons between")
        found[task.strip()] = {match[1]: float(match[2]) for match in amounts if match}
    return found


def tasks(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in words(text)]
    for name, _, path in pairs:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or not re.fullmatch(r"[\w.]+:\w+", path):
            raise ValueError("name=package.module:Class, or several with commas between")
    return {name: path for name, _, path in pairs}


def segment_model(text: str, below: str) -> str:
    if text in ("default", "coco", "classical"):
        return text
    kind = "default, coco, classical, or the path of a weights file"
    if not os.path.isfile(found := path(text, below, kind)):
        raise ValueError(kind)
    return found


def precision(text: str) -> str:
    if text not in ("fp32", "bf16"):
        raise ValueError("fp32 or bf16")
    return text


def collector(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", text):
        raise ValueError("an address such as http://127.0.0.1:4318")
    return text


def log_form(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("text or json")
    return text


def origins(text: str) -> tuple[str, ...]:
    found = words(text)
    if any(origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin) for origin in found):
        raise ValueError("origins such as https://example.org with commas between, or *")
    return found


def base_path(text: str) -> str:
    path = text.strip("/")
    if path and not re.fullmatch(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError("a path such as /ocr, of letters, digits and . _ ~ -")
    return f"/{path}" if path else ""


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(word, strict=False) for word in words(text))
    except ValueError as error:
        raise ValueError("addresses or networks such as 10.0.0.0/8 with commas between") from error


def subdirectory(text: str) -> str:
    if "\0" in text or os.path.isabs(text) or ".." in Path(text).parts or text.startswith("~") or "$" in text:
        raise ValueError("a directory inside the project")
    return text


def command(text: str) -> tuple[str, ...]:
    try:
        found = tuple(shlex.split(text))
    except ValueError:
        found = ()
    if not found or "\0" in text:
        raise ValueError("a script, or a command as a shell would read it")
    return tuple(map(os.path.expanduser, found))


def module(text: str) -> str:
    dotted = text.removesuffix(".py").removeprefix("./").replace("/", ".")
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", dotted):
        raise ValueError("a module such as model or nets.model")
    return dotted


def channels(least: float) -> Callable[[str], tuple[float, ...]]:
    def parse(text: str) -> tuple[float, ...]:
        try:
            found = tuple(map(float, words(text)))
        except ValueError:
            found = ()
        if len(found) not in (1, 3) or not all(least <= value <= 1e6 for value in found):
            raise ValueError("one number, or three with commas between")
        return found

    return parse
