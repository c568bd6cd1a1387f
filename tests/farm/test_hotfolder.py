"""The hot folder with real processes: every way of dropping a file gives one answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.support.hot_folder import TIMES, Hot, digest, pictures
from tests.support.pictures import encoded, page, png, small
from tests.support.running_farm import ROOT, RunningFarm, until

Run = Callable[..., RunningFarm]
#: Another file system than the one the tests' directories are on, most likely.
MEMORY = "/dev/shm"


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hot]:
    """A farm that all tests share which only drop files."""
    farm = RunningFarm(
        tmp_path_factory.mktemp("hot"),
        FARM_TASKS="digest=tests.support.rude_tasks:Digest,packing=tests.support.rude_tasks:Packing,none=tests.support.rude_tasks:NoPicture",
        FARM_ENABLE="digest,echo,none,ocr,packing",
        FARM_MAX_BODY_MB=1,
    )
    yield Hot(farm.start())
    farm.stop()


# Every way of dropping a file.


def program(*words: str) -> Callable[[Path, Path], None]:
    """A way that runs a program on source and target, which must say nothing and succeed."""

    def drop(source: Path, target: Path) -> None:
        places = {"SOURCE": str(source), "TARGET": str(target), "SOURCE/": f"{source}/", "TARGET/": f"{target}/"}
        command = [places.get(word, word) for word in words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return drop


def from_memory(source: Path, target: Path) -> None:
    """`mv` from another file system."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as elsewhere:
        shutil.copy2(source, elsewhere)
        program("mv", "SOURCE", "TARGET")(Path(elsewhere) / source.name, target)


def with_room_first(source: Path, target: Path) -> None:
    """A writer that makes the file as long as it will be, and fills it from the end."""
    data = source.read_bytes()
    with open(target, "wb") as file:
        file.truncate(len(data))
        for at in range(len(data) - 1, -1, -500):
            begin = max(0, at - 499)
            file.seek(begin)
            file.write(data[begin : at + 1])
            file.flush()


def under_another_name(source: Path, target: Path) -> None:
    """A program that gives the file its name when it is whole, as browsers do."""
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    os.rename(part, target)


WAYS: dict[str, Callable[[Path, Path], object]] = {
    "cp": program("cp", "SOURCE", "TARGET"),
    "cp -p": program("cp", "-p", "SOURCE", "TARGET"),
    "mv": program("mv", "SOURCE", "TARGET"),
    "mv from another file system": from_memory,
    "install": program("install", "-m", "640", "-p", "SOURCE", "TARGET"),
    "ln": os.link,
    "shutil.copy": shutil.copy,
    "shutil.copy2": shutil.copy2,
    "shutil.move": shutil.move,
    "with room first": with_room_first,
    "under another name": under_another_name,
}


def rsync(*options: str) -> Callable[[Path, Path], None]:
    """A way that brings a whole folder."""
    return program("rsync", *options, "SOURCE/", "TARGET/")


def pausing(script: str) -> Callable[[Path, Path], None]:
    """A way that runs a shell *script* on source $0 and target $1."""
    return program("sh", "-c", script, "SOURCE", "TARGET")


#: Ways that take a folder of pictures.
RSYNC = {"rsync": rsync("-a"), "rsync --inplace": rsync("-a", "--inplace")}
WHOLE = {"cp -r": program("cp", "-rT", "SOURCE", "TARGET")}
#: Ways of writers that pause: one that holds the file open, and one that closes it and goes on later.
SLOW = {
    "slow": pausing('(sleep 1; head -c 2000 "$0"; sleep 2; tail -c +2001 "$0") > "$1"'),
    "slow, in two goes": pausing('head -c 2000 "$0" > "$1"; sleep 2; tail -c +2001 "$0" >> "$1"'),
}


@pytest.fixture(scope="module")
def dropped(hot: Hot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What was dropped in each way, by file name. No writer has seen an error."""
    whole = {**WHOLE, **(RSYNC if shutil.which("rsync") else {})}
    sources = {name: pictures(tmp_path_factory.mktemp("from")) for name in (*WAYS, *whole, *SLOW)}
    wanted = {name: {path.name: path.read_bytes() for path in found} for name, found in sources.items()}
    with ThreadPoolExecutor(TIMES * len(SLOW)) as writers:
        jobs = []
        for name in (*SLOW, *WAYS, *whole):
            folder = hot.inbox / "digest" / name
            folder.mkdir()
            if name in SLOW:
                jobs += [writers.submit(SLOW[name], source, folder / source.name) for source in sources[name]]
            for source in sources[name] if name in WAYS else ():
                WAYS[name](source, folder / source.name)
            if name in whole:
                whole[name](sources[name][0].parent, folder)
        for job in jobs:
            job.result()
    return wanted


@pytest.mark.parametrize(
    "name", [*WAYS, *WHOLE, *(pytest.param(name, marks=pytest.mark.needs("rsync")) for name in RSYNC), *SLOW]
)
def test_a_file_dropped_in_any_way_is_answered_once(hot: Hot, dropped: dict[str, dict[str, bytes]], name: str) -> None:
    folder = f"digest/{name}"
    answers = hot.wait(folder, TIMES)
    assert {key: record["result"] for key, record in answers.items()} == {
        key: digest(data) for key, data in dropped[name].items()
    }
    assert {path.name: path.read_bytes() for path in (hot.out / folder).glob("*.png")} == dropped[name]


def test_a_second_file_of_a_name_is_answered_too(hot: Hot, tmp_path: Path) -> None:
    folder = "digest/twice"
    (hot.inbox / folder).mkdir()
    wanted = {}
    for number, source in enumerate(pictures(tmp_path / "from", 2 * TIMES)):
        name = f"{number // 2}.png"
        wanted[f"{name}~2" if number % 2 else name] = digest(source.read_bytes())
        if number % 2:  # the first is under way, or just answered
            until(lambda name=name: (hot.out / folder / f"{name}.json").exists(), what=hot.farm.log()[-2000:])  # type: ignore[misc]
        program("cp" if number % 4 < 2 else "mv", "SOURCE", "TARGET")(source, hot.inbox / folder / name)
    answers = hot.wait(folder, 2 * TIMES)
    assert {key: record["result"] for key, record in answers.items()} == wanted


NAMES = ["扫描 件.png", " a b ", "new\nline.png", "-rf", "$(id) `x` 'q' \"", b"latin \xe9.png", b"\xff\xfe", "x" * 255]


def test_any_name_is_a_name(hot: Hot) -> None:
    folder = hot.inbox / "digest/names"
    folder.mkdir()
    sources = dict.fromkeys(map(os.fsencode, NAMES), b"")
    for number, name in enumerate(sources):
        sources[name] = encoded(Image.new("RGB", (10 + number, 10)))
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(sources[name])
    answers = hot.wait("digest/names", len(sources))
    assert {record["result"] for record in answers.values()} == set(map(digest, sources.values()))
    there = {os.fsencode(path.name): path.read_bytes() for path in (hot.out / "digest/names").iterdir()}
    for name, data in list(sources.items())[:-1]:
        assert there[name] == data
        assert json.loads(there[name + b".json"])["result"] == digest(data)
    assert there[b"x" * 228] == sources[b"x" * 255], "a name too long for an ending is cut"


def test_folders_are_kept_at_any_depth_and_may_come_whole(hot: Hot, tmp_path: Path) -> None:
    for number, source in enumerate(pictures(tmp_path / "tree")):
        place = tmp_path / "tree" / "/".join("abcd"[: number % 4]) / source.name
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, place)
    program("cp", "-rp", "SOURCE", "TARGET")(tmp_path / "tree", hot.inbox / "digest/copied")
    os.rename(tmp_path / "tree", hot.inbox / "digest/moved")
    copied, moved = hot.wait("digest/copied", TIMES), hot.wait("digest/moved", TIMES)
    assert set(copied) == set(moved)
    assert "a/b/c/003.png" in copied
    assert len(copied) == TIMES


# What is no picture.


def test_what_is_no_picture_gets_an_error_and_leaves_the_inbox(hot: Hot, tmp_path: Path) -> None:
    folder = hot.inbox / "ocr/bad"
    folder.mkdir()
    secret = tmp_path / "secret.png"
    secret.write_bytes(small())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside.png").write_bytes(small())
    os.symlink(secret, folder / "link.png")
    os.symlink(tmp_path / "folder", folder / "linked")
    os.mkfifo(folder / "fifo.png")
    (folder / "text.txt").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes(page(["hello"])[:500])
    (folder / "large.png").write_bytes(small() + bytes(2**20))
    (folder / "huge.png").write_bytes(png(60000, 60000, b""))
    answers = hot.wait("ocr/bad", 8)
    found = {name: (record["status"], record["code"]) for name, record in answers.items()}
    assert found == {
        "link.png": ("failed", "invalid_request"),
        "linked": ("failed", "invalid_request"),
        "fifo.png": ("failed", "invalid_request"),
        "text.txt": ("failed", "unsupported_media"),
        "empty.png": ("failed", "invalid_request"),
        "cut.png": ("failed", "broken_image"),
        "large.png": ("failed", "too_large"),
        "huge.png": ("failed", "too_large"),
    }
    assert answers["link.png"]["error"] == "link.png: is a symbolic link, and links are not followed"
    assert (hot.out / "ocr/bad/link.png").is_symlink()
    assert (hot.out / "ocr/bad/fifo.png").is_fifo()
    assert os.listdir(tmp_path / "folder") == ["inside.png"]
    assert not (hot.out / "ocr/bad/linked/inside.png.json").exists()


def test_a_writer_to_a_fifo_is_not_disturbed(hot: Hot) -> None:
    fifo = hot.inbox / "digest/pipe"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    until(lambda: (hot.out / "digest/pipe.json").exists())
    assert os.write(writer, b"still there") == 11
    assert os.read(reader, 100) == b"still there"
    os.close(reader)
    os.close(writer)
    until(lambda: not hot.left("digest"))


def test_files_of_no_known_task_stay_and_are_named(hot: Hot) -> None:
    for path in ("nosuch/a.png", "none/b.png", "c.png"):
        (hot.inbox / path).parent.mkdir(exist_ok=True)
        (hot.inbox / path).write_bytes(small())
    until(lambda: all(f"inbox/{name} (1 files) is no folder" in hot.farm.log() for name in ("nosuch", "none", "c.png")))
    command = [sys.executable, "-m", "spoolfarm.cli", "doctor"]
    told = subprocess.run(
        command, env={**os.environ, **hot.farm.given}, capture_output=True, text=True, timeout=60, check=False
    ).stdout
    for name in ("nosuch", "none", "c.png"):
        assert f"inbox/{name} (1 files) is no folder" in told, told
    for path in ("nosuch/a.png", "none/b.png", "c.png"):
        os.unlink(hot.inbox / path)


# Outbox.


def test_a_page_gets_its_text(hot: Hot) -> None:
    (hot.inbox / "ocr/scan.png").write_bytes(page(["Hello hot folder", "Second line"]))
    answers = hot.wait("ocr", len(hot.answers("ocr")) + 1)
    assert answers["scan.png"]["status"] == "succeeded"
    assert (hot.out / "ocr/scan.png.txt").read_text() == "Hello hot folder\nSecond line\n"
    assert (hot.out / "ocr/scan.png").read_bytes() == page(["Hello hot folder", "Second line"])


def test_the_first_example_of_the_page_works(hot: Hot) -> None:
    [example] = re.findall(r"```sh\n(cp scan.jpg.*?)```", (ROOT / "docs/inbox.md").read_text(), re.DOTALL)
    drop, _, show = example.partition("# a moment later:\n")
    home = hot.inbox.parent.parent
    (home / "scan.jpg").write_bytes(page(["Found on the desk"]))
    subprocess.run(["sh", "-e"], input=drop, cwd=home, text=True, timeout=20, check=True)
    until(lambda: (hot.out / "ocr/scan.jpg.json").exists())
    shown = subprocess.run(["sh", "-e"], input=show, cwd=home, capture_output=True, text=True, timeout=20, check=True)
    text, _, record = shown.stdout.partition("\n")
    assert text == "Found on the desk"
    assert json.loads(record)["result"]["lines"][0]["text"] == text


def test_the_files_of_a_result_lie_beside_its_record(hot: Hot) -> None:
    (hot.inbox / "packing/a.png").write_bytes(small())
    answers = hot.wait("packing", 1)
    assert answers["a.png"]["files"] == ["large.bin", "note.txt"]
    assert (hot.out / "packing/a.png.txt").read_text() == "纸"
    assert (hot.out / "packing/a.png.bin").read_bytes() == b"L" * 100_000
    names = sorted(path.name for path in (hot.out / "packing").iterdir())
    assert names == ["a.png", "a.png.bin", "a.png.json", "a.png.txt"]


def test_parameters_lie_beside_the_picture_and_leave_with_it(hot: Hot) -> None:
    folder = hot.inbox / "echo/params"
    folder.mkdir()
    (folder / "a.png.params.json").write_text('{"colour": "red", "n": [1]}')
    (folder / "a.png").write_bytes(small())
    (folder / "b.png.params.json").write_text("[]")
    (folder / "b.png").write_bytes(small())
    (folder / "c.png.params.json").write_text('{"seconds": "long"}')
    (folder / "c.png").write_bytes(small())
    answers = hot.wait("echo/params", 3)
    there = {path.name for path in (hot.out / "echo/params").glob("*.params.json")}
    assert there == {f"{name}.png.params.json" for name in "abc"}
    assert answers["a.png"]["result"]["params"] == {"colour": "red", "n": [1]}
    assert answers["b.png"]["error"] == "b.png.params.json: must be a JSON object"
    assert answers["c.png"]["code"] == "invalid_params"


def test_parameters_that_come_while_the_picture_waits_are_used_and_later_ones_told_so(hot: Hot) -> None:
    folder = hot.inbox / "echo/late"
    folder.mkdir()
    jobs = [hot.farm.farm.submit("echo", seconds=1.5) for _ in range(2)]  # both workers are busy
    (folder / "a.png").write_bytes(small())
    until(lambda: hot.farm.farm.spool.count().get("echo"), what="the picture to be queued")
    (folder / "a.png.params.json").write_text('{"n": 1}')
    for job in jobs:
        job.wait(30)
    (folder / "b.png").write_bytes(small())
    until(lambda: (hot.out / "echo/late/b.png.json").exists())
    (folder / "b.png.params.json").write_text('{"n": 2}')
    answers = hot.wait("echo/late", 3)
    assert answers["a.png"]["result"]["params"] == {"n": 1}
    assert answers["b.png"]["result"]["params"] == {}
    assert "was not used" in answers["b.png.params.json"]["error"]


def test_what_somebody_waits_for_comes_first(hot: Hot) -> None:
    folder = hot.inbox / "echo/behind"
    folder.mkdir()
    busy = [hot.farm.farm.submit("echo", seconds=1) for _ in range(2)]
    for number in range(10):
        (folder / f"{number}.png.params.json").write_text('{"seconds": 0.3}')
        (folder / f"{number}.png").write_bytes(small())
    until(lambda: hot.farm.farm.spool.count().get("echo", 0) >= 10, what="the files to be queued")
    asked = hot.farm.farm.submit("echo")
    for job in [*busy, asked]:
        job.wait(30)
    assert len(hot.answers("echo/behind")) <= 2
    hot.wait("echo/behind", 10)


# A full queue, a reload, and who collects.


def test_a_full_queue_is_waited_for(run: Run, tmp_path: Path) -> None:
    farm = run(FARM_MAX_QUEUED=5, FARM_TASKS="digest=tests.support.rude_tasks:Digest", FARM_ENABLE="digest")
    hot = Hot(farm)
    (hot.inbox / "digest").mkdir(parents=True)
    for source in pictures(tmp_path / "from", 30):
        os.rename(source, hot.inbox / "digest" / source.name)
    farm.start()
    assert {record["status"] for record in hot.wait("digest", 30).values()} == {"succeeded"}


def test_a_reload_starts_the_hot_folder_again_with_the_new_settings(run: Run) -> None:
    farm = run().start()
    hot = Hot(farm)
    [before] = until(hot.processes)
    until(lambda: "under way" in farm.log())
    farm.signal(signal.SIGHUP)
    until(lambda: hot.processes() not in ([], [before]))
    (hot.inbox / "echo/a.png").write_bytes(small())
    assert hot.wait("echo", 1)["a.png"]["result"]["bytes"] == len(small())
    assert "the hot folder ended" not in farm.log()


def test_results_that_others_collect_at_once_are_not_written_again(hot: Hot, tmp_path: Path) -> None:
    folder, out = hot.inbox / "digest/collected", hot.out / "digest/collected"
    folder.mkdir()
    seen: list[str] = []
    for source in pictures(tmp_path / "from"):
        os.rename(source, folder / source.name)
    deadline = time.monotonic() + 30
    while len(seen) < TIMES:
        assert time.monotonic() < deadline
        for path in list(out.glob("*.json")) if out.exists() else []:
            seen.append(path.name)
            path.unlink()
    until(lambda: not hot.left("digest/collected"))
    assert sorted(seen) == sorted(f"{number:03}.png.json" for number in range(TIMES))
    assert sorted(path.name for path in out.iterdir()) == [f"{number:03}.png" for number in range(TIMES)]
