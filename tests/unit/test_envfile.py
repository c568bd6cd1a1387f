"""`.env`, as people write it: understood, or refused with the number of the line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoolfarm import config, envfile
from spoolfarm.errors import SettingError

#: What a file says, and what is understood.
UNDERSTOOD: dict[str, tuple[bytes, dict[str, str]]] = {
    "plain": (b"A=1\nB=two words\n", {"A": "1", "B": "two words"}),
    "no end": (b"A=1", {"A": "1"}),
    "nothing": (b"\n  \n# A=1\n", {}),
    "CRLF": (b"A=1\r\n\r\nB=2\r\n", {"A": "1", "B": "2"}),
    "old Mac": (b"A=1\rB=2\r", {"A": "1", "B": "2"}),
    "a BOM": (b"\xef\xbb\xbfA=1\n", {"A": "1"}),
    "UTF-16 of PowerShell": ("\ufeffA=1\r\nB=纸\r\n".encode("utf-16-le"), {"A": "1", "B": "纸"}),
    "UTF-16, the other way round": ("\ufeffA=1\n".encode("utf-16-be"), {"A": "1"}),
    "a comment in Latin-1": (b"# R\xe9glages\nA=1 # r\xe9glage\n", {"A": "1"}),
    "export": (b"export A=1\n  export\tB = 2\n", {"A": "1", "B": "2"}),
    "a colon": (b"A: 1\nB:\t127.0.0.1:80\nC:\n", {"A": "1", "B": "127.0.0.1:80", "C": ""}),
    "blanks": (b"  A =  1  \nB=\n", {"A": "1", "B": ""}),
    "comments": (b"A=1 # one\nB=a#b\nC= # none\nD=#d\n", {"A": "1", "B": "a#b", "C": "", "D": "#d"}),
    "quotes": (b"A=\"p@ss w#rd #1\"  # mine\nB='it ${A} \\'s'\n", {"A": "p@ss w#rd #1", "B": "it ${A} 's"}),
    "quotes within": (b'A=it\'s\nB=a "b"\n', {"A": "it's", "B": 'a "b"'}),
    "escapes": (b'A="a\\n\\"b\\"\\\\"\n', {"A": 'a\n"b"\\'}),
    "several lines": (b"A='1\n2'\nB=3\n", {"A": "1\n2", "B": "3"}),
    "dollars": (b"A=abc$def${x}#1\n", {"A": "abc$def${x}#1"}),
    "names of others": (b"A=1\nB=${A}/${HERE}/${A:-2}/${x:-3}\n", {"A": "1", "B": "1//here/1/3"}),
    "a name alone": (b"A=1\nexport A\nB\n", {"A": "1"}),
    "twice": (b"A=1\nA=2\n", {"A": "2"}),
    "a value with =": (b"A=b=c:D,e=f:G\n", {"A": "b=c:D,e=f:G"}),
}
#: What a file says, and why it is refused.
REFUSED: dict[str, tuple[bytes, str]] = {
    "Latin-1": (b"A=1\nB=R\xe9glages\n", "line 2: is not UTF-8"),
    "UTF-16 without its mark": ("A=1\nB=2\n".encode("utf-16-le"), "line 1: holds a byte 0"),
    "UTF-16 cut short": ("\ufeffA=1\nB=2".encode("utf-16-le")[:-1], "line 2: is not UTF-16-LE"),
    "an open quote": (b'A=1\nB="3\nC=127.0.0.1\n', 'line 2: the quote " is not closed'),
    "an open quote before another": (b'B="3\nC="4"\n', 'line 1: something follows the closing quote "'),
    "words after a quote": (b"A='1' 2\n", "line 1: something follows the closing quote '"),
    "no name": (b"A=1\n\n=2\n", "line 3: is neither NAME=value nor a comment"),
    "another language": (b"A=1\nset B 2\n", "line 2: is neither"),
    "a colon without a blank": (b"A:1\n", "line 1: is neither"),
    "a name with a blank": (b"A B=1\n", "line 1: is neither"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize("kind", UNDERSTOOD)
def test_what_people_write_is_understood(kind: str, path: Path) -> None:
    content, meant = UNDERSTOOD[kind]
    path.write_bytes(content)
    assert envfile.read(path, {"HERE": "/here"}) == meant


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_understood_is_refused_with_its_line(kind: str, path: Path) -> None:
    content, why = REFUSED[kind]
    path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        envfile.read(path, {})
    assert str(caught.value).startswith(f"{path}, {why}")


def test_no_file_says_nothing_and_a_directory_is_none(path: Path) -> None:
    assert envfile.read(path, {}) == {}
    path.mkdir()
    with pytest.raises(SettingError, match=r"\.env cannot be read: Is a directory"):
        envfile.read(path, {})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `~` leads; the checkout is another directory."""
    monkeypatch.setattr(config, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("text", ["~/jobs", "$HOME/jobs", "${HOME}/jobs"])
def test_a_path_of_ones_home_is_meant_as_in_a_shell(text: str, home: Path) -> None:
    settings = config.load({"FARM_SPOOL_DIR": text, "FLOWER_PROJECT_DIR": text})
    assert settings.spool_dir == settings.flower_project_dir == str(home / "jobs")


@pytest.mark.parametrize("text", ["~nobody-of-that-name/jobs", "$NOWHERE/jobs", "${NOWHERE}/jobs", "a$b"])
@pytest.mark.parametrize("name", ["FARM_SPOOL_DIR", "FARM_RUN_DIR", "FARM_SEGMENT_MODEL"])
def test_a_path_that_a_shell_would_not_find_is_refused(name: str, text: str, home: Path) -> None:
    with pytest.raises(SettingError, match=f"{name}="):
        config.load({name: text})
    assert not os.path.exists(home)


@pytest.mark.parametrize("name", ["MODEL_WEIGHTS_SUBDIR", "HISTORY_SUBDIR"])
@pytest.mark.parametrize("text", ["~/weights", "$HOME/weights"])
def test_a_folder_of_the_project_is_in_the_project(name: str, text: str) -> None:
    with pytest.raises(SettingError, match="a directory inside the project"):
        config.load({name: text})


def test_a_key_with_a_dollar_stays_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ROOT", path.parent)
    monkeypatch.delenv("FARM_API_KEY", raising=False)
    path.write_text("FARM_API_KEY=$HOME${x}~#1\n")
    assert config.load().api_key == "$HOME${x}~#1"
