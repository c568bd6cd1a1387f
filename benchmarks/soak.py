"""Everything at once while anybody may be killed, and an account of every promise: `python -m benchmarks.soak --help`.

First *safety*: clients ask at every face, some of them for jobs that kill their worker, some with hostile requests, and
a process of the farm is killed every other moment. Then *liveness*: nobody is killed any more, and everything that was
promised has to end. Then the account: nothing lost, nothing doubled, nothing wrong, nothing left behind. Then *calm*:
the same work twice, and files, descriptors and memory are those of before.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.measure import (
    MEMORY,
    Service,
    Target,
    answers,
    free_port,
    machine,
    print_table,
    pss_mb,
    report,
    scratch,
    stop_on_sigterm,
    tree,
)
from benchmarks.soak_account import descriptors, files_of, judge
from benchmarks.soak_faces import COMMAND, FACES, Site, faces, still_open
from benchmarks.soak_ledger import Ledger
from benchmarks.soak_tasks import STAND_INS
from spoolfarm import config
from spoolfarm.farm.farm import Farm

#: Who is killed how often, of all, by a part of its command line; the launcher takes the others with it.
VICTIMS = {
    "worker.py": 50,
    "launcher.zygote": 8,
    "server.py": 12,
    "spoolfarm.hotfolder": 12,
    COMMAND: 8,
    "launcher": 10,
}
#: Seconds between two kills, on the average, and the fewest between two of the launcher.
KILLS, LAUNCHER = 1.0, 10.0
#: General workers, and seconds between two lines of progress.
WORKERS, TOLD = 2, 30.0
#: Seconds in which all that was promised has to end once nobody is killed.
LIVENESS = 90.0
#: How often each face is used in one calm bout: once for so many seconds of the first phase, and so often at least and
#: at most; and the megabytes that the second bout may leave in memory.
BOUT, LEAST, MOST, GROWTH = 10.0, 3, 15, 6.0
#: What must never happen, as the ledger calls it.
KINDS = ("lost", "doubled", "wrong", "left")
#: What a bout uses, beside which nothing runs that would disturb the figures.
CALM = ("jobs", "run", "tyocr", "inbox", "map")


@dataclass
class Launched:
    """The farm's launcher, which may be killed and started again."""

    environment: dict[str, str]
    log: Path
    service: Service | None = None

    def start(self) -> None:
        self.service = Service([sys.executable, "launcher.py"], env=self.environment, log=self.log)

    @property
    def pid(self) -> int:
        assert self.service is not None
        return self.service.pid

    def kill(self) -> None:
        """SIGKILL, and a new one at once."""
        assert self.service is not None
        os.kill(self.pid, signal.SIGKILL)
        self.service.process.wait()
        self.start()

    def stop(self) -> None:
        if self.service is not None:
            self.service.stop()


def called(root: int, part: str) -> list[int]:
    """Those below *root* whose command line has *part* in it."""
    found = []
    for pid in tree(root)[1:]:
        try:
            if part.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


class Killer(threading.Thread):
    """Kills somebody every other moment until it is stopped."""

    def __init__(self, launched: Launched, random: Random) -> None:
        super().__init__(name="killer")
        self._launched, self._random = launched, random
        self._stop_it = threading.Event()
        self._launcher_due = time.monotonic() + LAUNCHER / 2
        #: How often each was killed.
        self.kills = dict.fromkeys(VICTIMS, 0)

    def run(self) -> None:
        while not self._stop_it.wait(self._random.expovariate(1 / KILLS)):
            [part] = self._random.choices(list(VICTIMS), list(VICTIMS.values()))
            if part == "launcher":
                if time.monotonic() < self._launcher_due:
                    continue
                self._launcher_due = time.monotonic() + LAUNCHER
                self._launched.kill()
                self.kills[part] += 1
                continue
            root = os.getpid() if part == COMMAND else self._launched.pid
            if found := called(root, part):
                kill(self._random.choice(found))
                self.kills[part] += 1

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


def kill(pid: int) -> None:
    """SIGKILL, unless it has ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Client(threading.Thread):
    """Asks at one face again and again until it is stopped."""

    def __init__(self, site: Site, face: str, seed: int) -> None:
        super().__init__(name=face)
        self._site, self._random = site, Random(f"{seed} {face}")
        self._act, self._pause = FACES[face]
        self._stop_it = threading.Event()

    def run(self) -> None:
        while not self._stop_it.wait(self._random.expovariate(1 / self._pause)):
            try:
                self._act(self._site, self._random)
            except Exception as error:  # noqa: BLE001  # a client that fails has found something, and the others go on
                self._site.ledger.violate("wrong", f"{self.name}: {type(error).__name__}: {error}")

    def stop(self) -> None:
        self._stop_it.set()


@contextmanager
def soaked(own: list[str]) -> Iterator[tuple[Site, Launched]]:
    """A farm with its data in memory, whose tasks are stand-ins, beside *own* ones of the farm."""
    stand_ins = {name: path for name, path in STAND_INS.items() if name not in own}
    with scratch(MEMORY) as path:
        (path / "data").mkdir()
        address = ("127.0.0.1", free_port())
        environment = {
            "FARM_BIND": f"{address[0]}:{address[1]}",
            "FARM_SPOOL_DIR": str(path / "spool"),
            "FARM_RESULTS_DIR": str(path / "results"),
            "FARM_RUN_DIR": str(path / "run"),
            "FARM_DATA_DIR": str(path / "data"),
            "FARM_TASKS": ",".join(f"{name}={where}" for name, where in stand_ins.items()),
            "FARM_ENABLE": ",".join([*stand_ins, *own]),
            "FARM_WORKERS": str(WORKERS),
            "FARM_MIN_FREE_MB": "0",
        }
        farm = Farm(settings=config.load(environment))
        site = Site(address, {**os.environ, **environment}, path, farm, Ledger(), own)
        launched = Launched(environment, path / "log")
        launched.start()
        try:
            yield site, launched
        finally:
            launched.stop()
            farm.close()


def ready(site: Site, launched: Launched) -> None:
    """Wait until all of the farm is there."""
    assert launched.service is not None
    inbox = Path(site.farm.inbox) / "soak"

    def there() -> bool:
        return len(site.farm.workers()) == WORKERS + 1 and inbox.is_dir() and answers(site.address, "/health")

    launched.service.wait_until(there)


def safety(site: Site, launched: Launched, seconds: float, seed: int) -> dict[str, int]:
    """Clients ask and somebody kills; how often each was killed."""
    killer = Killer(launched, Random(f"{seed} killer"))
    clients = [Client(site, face, seed) for face in faces(site)]
    for thread in (*clients, killer):
        thread.start()
    try:
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            time.sleep(min(rest, TOLD))
            print(f"{rest:6.0f} s left, {site.ledger.told()}", flush=True)
    finally:
        killer.stop()
        for client in clients:
            client.stop()
    for client in clients:
        client.join()
    return killer.kills


def liveness(site: Site, launched: Launched) -> float:
    """Wait until all that was promised has ended; the seconds that it took."""
    begin = time.monotonic()
    ready(site, launched)
    while (rest := still_open(site)) and time.monotonic() - begin < LIVENESS:
        time.sleep(0.1)
    for promise in rest:
        site.ledger.violate("lost", f"{promise.item.name} {promise.job_id} has not ended after {LIVENESS:g} s")
    return time.monotonic() - begin


def bout(site: Site, launched: Launched, times: int, seed: int) -> dict[str, float]:
    """Some of everything, each child of the launcher killed once, and what the farm holds after it."""
    random = Random(seed)
    for part in ("worker.py", "launcher.zygote", "server.py", "spoolfarm.hotfolder"):
        for pid in called(launched.pid, part):
            kill(pid)
        ready(site, launched)
    for _ in range(times):
        for face in CALM:
            FACES[face][0](site, random)
    liveness(site, launched)
    judge(site)
    return {"memory": pss_mb(launched.pid), "descriptors": descriptors(launched.pid), "files": files_of(site)}


def told(
    site: Site, kills: dict[str, int], took: float, begun: int, before: dict[str, float], after: dict[str, float]
) -> list[Target]:
    """Print what was asked and what came of it; the targets."""
    ledger = site.ledger
    columns = ("asked", "promised", "ended", "refused")
    rows = [[face, *(str(ledger.counts[face, each]) for each in columns)] for face in faces(site)]
    print_table(["face", *columns], rows)
    print_table(["killed", "times"], [[part.rpartition("/")[2], str(count)] for part, count in kills.items()])
    held = [[key, f"{before[key]:.1f}", f"{after[key]:.1f}"] for key in before]
    print_table(["held at rest", "after one bout", "after two"], held)
    print(f"\n{begun} attempts began; all had ended {took:.1f} s after the last kill")
    print(f"{ledger.counts['again', 'ended']} synchronous jobs ran again, and left a result that expires")
    print(*ledger.violations, sep="\n")
    return [
        *(Target(f"promises or answers {kind}", ledger.wrong[kind], 0) for kind in KINDS),
        Target("files more after the same work again", after["files"] - before["files"], 0),
        Target("descriptors more", after["descriptors"] - before["descriptors"], 0),
        Target("MB of memory more", after["memory"] - before["memory"], GROWTH),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the first phase is; 300 when not given")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="what is asked, and who is killed")
    parser.add_argument("--tasks", default="", help="tasks of the farm itself that read a page as well, as ocr,edit")
    options = parser.parse_args()
    stop_on_sigterm()
    print(f"seed {options.seed}", flush=True)
    with soaked([name for name in options.tasks.split(",") if name]) as (site, launched):
        ready(site, launched)
        kills = safety(site, launched, options.seconds, options.seed)
        took = liveness(site, launched)
        begun = judge(site)
        times = int(min(max(options.seconds / BOUT, LEAST), MOST))
        before, after = (bout(site, launched, times, options.seed + number) for number in (1, 2))
        targets = told(site, kills, took, begun, before, after)
    figures = {"seed": options.seed, "seconds": options.seconds, "kills": kills, "held": [before, after]}
    return report("soak", {"machine": machine([]), **figures, "violations": site.ledger.violations}, targets)


if __name__ == "__main__":
    sys.exit(main())
