"""The laws: what must hold after every call, whoever made it, and when all has come to its end.

one place     a job file is in one directory, and moves only as the table of `spool/spool.py` says, by whom it says
never lost    a job whose `put` has returned has a file or has ended; one that was refused leaves nothing
ends once     it has one result, unless its worker died before it let go and the result had been taken by then
first stays   a result is never replaced, and goes only by the hand of one who may remove it
forgotten     a forgotten job does not run again, and brings no result back
counted       each claim counts one attempt, and none is beyond the limit
whole         what becomes visible is complete; a dead letter has its reason
paused        once a pause has returned, each worker takes at most what it was about to take
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spoolfarm.spool.job import Job
from tests.simulation.disk import MOUNT, Node
from tests.simulation.world import Process, Violation

if TYPE_CHECKING:
    from tests.simulation.world import World

SPOOL, RESULTS = f"{MOUNT}/spool", f"{MOUNT}/results"
#: Where a job file may lie: the directory of the spool, its worker or bucket, its id and its attempts.
PLACE = re.compile(rf"{SPOOL}/(queue|active|cancel|dead)/(?:(.+)/)?([0-9a-f]{{24}})\.a(\d+)")
DROPPED = re.compile(rf"{SPOOL}/inbox/echo/([^./][^/]*)")
#: An answer of the hot folder, by the name of the file that was dropped.
ANSWER = re.compile(rf"{RESULTS}/inbox/echo/([^/~]+?)(~\d+)?\.json")
RESULT = re.compile(rf"{RESULTS}/([0-9a-f]{{24}})\.json")
#: Who may remove a result, by what it does at the time.
TAKERS = frozenset({"forget", "answer", "clear"})
#: The files that a farm keeps in the end.
STAYING = frozenset(f"{SPOOL}/workers/{name}.lock" for name in ("suspects", "cancel", "retry"))
#: Where it keeps what never expires: answers that are the user's, and how many jobs there were.
KEPT_BELOW = (f"{RESULTS}/inbox/", f"{SPOOL}/counts/")
#: The most jobs that a worker takes together.
BATCH = 2
#: Seconds after which results and dead letters expire.
KEPT = 86400.0


@dataclass(eq=False)
class Life:
    """What is known of one job."""

    id: str
    #: Its `put` has returned; or has been refused.
    promised: bool = False
    refused: bool = False
    #: The paths of its job file.
    places: set[str] = field(default_factory=set)
    #: How often it has ended since it was queued or queued again.
    ended: int = 0
    result: Node | None = None
    #: Who has ended it, in which of its acts.
    ender: Process | None = None
    ended_in: int = 0
    #: Whether it runs again though it had ended, for its worker died before it let go: it runs at least once.
    rerun: bool = False
    #: Whether its result has expired.
    expired: bool = False
    #: Whether somebody has begun to forget it, and whether that has returned.
    unwanted: bool = False
    forgotten: bool = False
    #: How often somebody has begun to forget it.
    forgets: int = 0
    #: Whether it was forgotten when it was claimed: then it must not run.
    claimed_forgotten: bool = False
    #: How often it has moved against the order in which a search looks, and has been queued again.
    backwards: int = 0
    retries: int = 0


class Laws:
    """The judge of one world."""

    def __init__(self, world: World, attempts: int) -> None:
        self._world = world
        self._attempts = attempts
        self.lives: dict[str, Life] = {}
        #: The files that were dropped, by name, each with how often it was answered.
        self.dropped: dict[str, int] = {}
        #: Results that a sweep has put aside to look at them once more.
        self._aside: dict[Node, Life] = {}
        #: How often each worker has claimed since the queue was paused; None while it is not.
        self._claims: Counter[str] | None = None
        world.judge = self.judge

    def life(self, job_id: str) -> Life:
        """What is known of the job of that id."""
        if job_id not in self.lives:
            self.lives[job_id] = Life(job_id)
        return self.lives[job_id]

    def judge(self, source: str | None, target: str | None, node: Node, replaced: Node | None) -> None:
        """See `Observer.moved`."""
        process = self._world.running
        if process is None or node.is_directory:
            return
        here, there = (PLACE.fullmatch(path) if path else None for path in (source, target))
        if here or there:
            self._moved(process, here, there, node, replaced)
            return
        if target and (found := DROPPED.fullmatch(target)):
            self.dropped.setdefault(found[1], 0)
        if target and (found := ANSWER.fullmatch(target)):
            job = RESULT.fullmatch(source or "")
            self._answered(process, found[1], rerun=bool(job and self.life(job[1]).rerun))
        if target and (found := RESULT.fullmatch(target)):
            self._ended(process, self.life(found[1]), node, replaced)
        if source and (found := RESULT.fullmatch(source)):
            self._taken(process, self.life(found[1]), node, target)
        elif not target and node in self._aside and not node.links:
            self._expired(process, self._aside.pop(node), node)

    # Job files.

    def _moved(
        self,
        process: Process,
        here: re.Match[str] | None,
        there: re.Match[str] | None,
        node: Node,
        replaced: Node | None,
    ) -> None:
        found = here or there
        assert found is not None
        life = self.life(found[3])
        if here:
            life.places.discard(here[0])
        if there:
            life.places.add(there[0])
        self._check(replaced is None, life, f"{process} replaces a job file")
        self._check(len(life.places) <= 1, life, f"in several places: {sorted(life.places)}")
        before, after = int(here[4]) if here else 0, int(there[4]) if there else 0
        move = f"{here[1] if here else ''} -> {there[1] if there else ''}"
        legal = getattr(self, "_" + re.sub(r"\W+", "_", move).strip("_"), None) if here or there else None
        if not here:
            legal = self._put
        elif not there:
            legal = getattr(self, f"_{here[1]}_left")
        if legal is None:
            raise Violation(f"job {life.id}: {process} moves it {move}, which is no move")
        legal(process, life, here or there, before, after)
        self._check(after <= self._attempts, life, f"{process} claims it for the {after}. time")
        if there:
            self._whole(life, node, there)

    def _put(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._check(place[1] == "queue" and after == 0, life, f"{process} makes it in {place[1]}/, attempt {after}")

    def _queue_active(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._check(after == before + 1, life, f"{process} counts attempt {after} after {before}")
        life.claimed_forgotten = life.forgotten
        if self._claims is not None:
            self._claims[process.name] += 1
            begun = self._claims[process.name] <= BATCH
            self._check(begun, life, f"{process} claims it, though the queue was paused before")

    def _active_queue(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._owned(process, life, place)
        given_back = process.name == place[2]
        self._check(after == before - given_back, life, f"{process} makes attempt {after} of {before}")
        life.backwards += 1
        if life.ended and not given_back:
            self._check(life.result is None, life, f"{process} queues it, though it has a result")
            life.ended, life.rerun = 0, True  # its worker had not let go when its result was taken

    def _active_dead(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._owned(process, life, place)
        self._over(process, life)

    def _active_left(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._owned(process, life, place)
        self._over(process, life)

    def _queue_cancel(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._check(after == before, life, f"{process} makes attempt {after} of {before}")

    def _cancel_cancel(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        pass

    def _cancel_left(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._over(process, life)

    def _dead_queue(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._check(process.act == "retry", life, f"{process} takes it back from the dead")
        self._check(after == 0, life, f"{process} queues it again with {after} attempts")
        self._check(life.result is None, life, f"{process} queues it again beside its old result")
        life.backwards += 1
        life.retries += 1
        life.ended = 0
        life.forgotten = life.expired = False
        life.unwanted = life.forgets > process.forgets  # either may come last: they went on side by side

    def _dead_left(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._check(process.act in ("remove", "sweep"), life, f"{process} removes its dead letter")

    def _queue_left(self, process: Process, life: Life, place: re.Match[str], before: int, after: int) -> None:
        self._check(process.act in ("put", "answer", "inbox"), life, f"{process} removes it from the queue")

    def _owned(self, process: Process, life: Life, place: re.Match[str]) -> None:
        owner = place[2]
        living = any(each.name == owner and not each.dead for each in self._world.processes)
        self._check(process.name == owner or not living, life, f"{process} takes it from {owner}, which lives")

    def _over(self, process: Process, life: Life) -> None:
        self._check(life.ended > 0, life, f"{process} lets go of it, and it has not ended")

    def _whole(self, life: Life, node: Node, place: re.Match[str]) -> None:
        if place[1] == "queue":
            self._check(Job.from_bytes(bytes(node.data)).id == life.id, life, "its file holds another job")

    # Results.

    def _ended(self, process: Process, life: Life, node: Node, replaced: Node | None) -> None:
        self._check(replaced is None and life.result is None, life, f"{process} replaces its result")
        if self._aside.pop(node, None) is life:
            life.result = node  # it was too young to go
            return
        if self._orphaned(life):
            life.ended, life.rerun = 0, True  # and its result has been taken since
        life.ended += 1
        life.ender, life.ended_in = process, process.acts
        life.result = node
        self._check(life.ended == 1, life, f"{process} ends it for the {life.ended}. time")
        noted = any(path == f"{SPOOL}/cancel/{life.id}" for path, _ in self._world.disk.files(f"{SPOOL}/cancel"))
        self._check(noted or not life.forgotten, life, f"{process} brings a result back that was forgotten")
        try:
            record = json.loads(bytes(node.data))
        except ValueError:
            record = {}
        self._check(record.get("id") == life.id, life, "its result is torn, or another's")

    def _answered(self, process: Process, name: str, *, rerun: bool) -> None:
        self.dropped[name] = self.dropped.get(name, 0) + (not rerun or not self.dropped.get(name))
        if self.dropped[name] > 1:
            raise Violation(f"the file {name}: {process} answers it for the {self.dropped[name]}. time")

    def _orphaned(self, life: Life) -> bool:
        """Whether who has ended it before, or its worker, died or failed before it let go of it."""
        place = next(filter(None, map(PLACE.fullmatch, life.places)), None)
        if place is None or place[1] not in ("active", "cancel"):
            return False
        living = {each.name for each in self._world.processes if not each.dead}
        gone = life.ender is not None and (life.ender.dead or life.ender.acts != life.ended_in)
        return gone or life.expired or (place[1] == "active" and place[2] not in living)

    def _taken(self, process: Process, life: Life, node: Node, target: str | None) -> None:
        life.result = None
        if process.act in TAKERS and process.about == life.id:
            return
        if process.act == "sweep" and target:
            self._aside[node] = life
        elif process.act == "sweep":
            self._expired(process, life, node)
        elif process.act == "inbox":
            self._check(bool(target), life, f"{process} removes its result instead of handing it over")
        elif process.act == "reclaim":
            self._check(life.unwanted, life, f"{process} removes its result, which is wanted")
        else:
            dead = any(f"{SPOOL}/dead/" in place for place in life.places)
            self._check(process.act == "retry" and dead, life, f"{process} removes the result of a job that went on")

    def _expired(self, process: Process, life: Life, node: Node) -> None:
        life.expired = True
        self._check(self._world.now - node.modified > KEPT, life, f"{process} removes its result before its time")

    # What was said to whom.

    def rest(self) -> None:
        """A pause has begun: each worker may still take what it was about to."""
        self._claims = Counter()

    def resume(self) -> None:
        """The pause is about to end."""
        self._claims = None

    def run(self, process: Process, life: Life) -> None:
        """Its worker runs it."""
        self._check(not life.claimed_forgotten, life, f"{process} runs it again, though it was forgotten")

    def promise(self, life: Life) -> None:
        """`put` has returned."""
        self._check(bool(life.places or life.ended), life, "was accepted, and is nowhere")
        life.promised = True

    def refuse(self, life: Life, text: str) -> None:
        """`put` has raised *text*."""
        life.refused = "nothing was queued" in text
        self._check(not (life.refused and (life.places or life.ended)), life, f"was refused ({text}), and is there")

    def forget(self, life: Life) -> None:
        """`forget` has returned."""
        life.forgotten = True
        at_rest = not any(f"{SPOOL}/active/" in place for place in life.places)
        self._check(not (at_rest and life.result), life, "was forgotten, and has a result")

    def found(self, life: Life, before: tuple[int, bool]) -> None:
        """A search that saw the life as *before* has found nothing."""
        backwards, there = before
        here = bool(life.places or life.result)
        moves = life.backwards - backwards
        self._check(not (there and here) or moves > 1, life, "was there, and was not found")

    def at_rest(self) -> bool:
        """Whether every job has ended, no worker has one, and every dropped file lies beside its answer."""
        return not self.under_way() and all(
            (life.ended or not life.promised) and all(f"{SPOOL}/dead/" in place for place in life.places)
            for life in self.lives.values()
        )

    def under_way(self) -> list[str]:
        """The files of the hot folder that have yet to be answered or moved, and its notes."""
        if not self._world.options.files:
            return []
        left = [
            path
            for path, _ in self._world.disk.files(SPOOL)
            if "/inbox/" in path or ("/taken/" in path and not path.endswith(".tmp"))
        ]
        return left + [name for name, answers in self.dropped.items() if not answers]

    def examine(self) -> None:
        """Look at the jobs when nothing moves any more, and hours have passed."""
        for life in self.lives.values():
            self._check(not life.promised or life.ended == 1, life, f"has ended {life.ended} times")
            self._check(not life.places or "/dead/" in next(iter(life.places)), life, f"is left in {life.places}")
            self._check(not (life.forgotten and life.result), life, "was forgotten, and has a result in the end")
            for letter in (place.rpartition("/")[0] for place in life.places):
                names = [path for path, _ in self._world.disk.files(letter)]
                self._check(f"{letter}/reason.json" in names, life, "is a dead letter without its reason")
        for path, _ in self._world.disk.files(RESULTS):
            if self._world.errors and path.endswith(".log"):
                continue  # one that the disk refuses to remove goes when it expires
            if found := re.fullmatch(rf"{RESULTS}/([0-9a-f]{{24}})(\.log|/.+)", path):
                life = self.life(found[1])
                self._check(not life.forgotten or bool(life.places), life, f"was forgotten, and has left {path}")

    def examine_leftovers(self) -> None:
        """Look at what is left when results have expired, too."""
        for path, _ in self._world.disk.files():
            begun = "/taken/" in path and path.endswith(".tmp")  # the hot folder removes it when it starts
            if path not in STAYING and not begun and not path.startswith(KEPT_BELOW):
                raise Violation(f"{path} is left in the end")

    def _check(self, holds: bool, life: Life, otherwise: str) -> None:
        if not holds:
            raise Violation(f"job {life.id}: {otherwise}")
