"""The roles: what each process of a simulated farm does, with the farm's own code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from filelock import Timeout

from spoolfarm.errors import (
    FarmError,
    JobCancelled,
    JobFailed,
    SpoolUnavailable,
    UnknownFile,
    UnknownJob,
    WaitTimeout,
)
from spoolfarm.farm.farm import Farm
from spoolfarm.hotfolder.folder import HotFolder
from spoolfarm.spool.job import Job, Result, State
from spoolfarm.spool.lease import Lease
from spoolfarm.spool.paused import ALL
from spoolfarm.tasks import Answer, Context, Stopping
from spoolfarm.worker.executors.local import LocalExecutor
from spoolfarm.worker.worker import Worker
from tests.simulation.laws import BATCH, KEPT, SPOOL, Laws, Life
from tests.simulation.world import Process, Violation, World

#: What a job may do, by chance: the last two end their worker, now and then and every time.
DEEDS = ("works", "works", "works", "speaks", "attaches", "fails", "fails", "waits", "stumbles", "poison")
#: The same where jobs are to fail.
FAILURES = ("fails", "fails", "fails", "fails once", "stumbles", "poison")
OTHERS = ("ask", "list", "clear", "remove", "wait", "leap")
#: By the clients' mood: how often each does what to a job, and what the jobs do.
MOODS = {
    "any": ({"cancel": 2, "forget": 2, "retry": 2, "pause": 2, **dict.fromkeys(OTHERS, 1)}, DEEDS),
    "retry": ({"retry": 4, "ask": 1, "wait": 1, "forget": 1, "pause": 1, "leap": 1}, FAILURES),
    "forget": ({"cancel": 2, "forget": 3, "ask": 1, "wait": 1, "pause": 1, "leap": 1}, DEEDS),
    "letters": ({"remove": 2, "retry": 3, "clear": 1, "ask": 1, "list": 1, "pause": 1, "leap": 1}, FAILURES),
}
#: What the jobs of dropped files do.
DROPPED = ("works", "fails", "stumbles", "attaches")
#: How likely a stumbling job ends its worker, and a worker gives its jobs back because it stops.
STUMBLE, STOP = 0.4, 0.05
#: Seconds after which a launcher kills the worker of a cancelled job.
GRACE = 1.0


class Refused(FarmError):
    """The task's own error."""

    code = "task_error"


class SimulatedTask(LocalExecutor):
    """In the place of tasks: jobs do what their parameters say."""

    def __init__(self, world: World, laws: Laws, process: Process) -> None:
        super().__init__({})
        self._world = world
        self._laws = laws
        self._process = process

    def tasks(self) -> list[str]:
        return ["echo"]

    def most(self, task: str) -> int:
        return BATCH

    def run(self, task: str, batch: Sequence[Job], context: Context) -> list[Any]:
        if self._world.storm and self._world.chance.random() < STOP:
            self._process.stop()
            return [Stopping() for _ in batch]
        return [self._answer(job, context) for job in batch]

    def _answer(self, job: Job, context: Context) -> Any:
        does = job.params.get("does") or self._world.chance.choice(DROPPED)
        self._laws.run(self._process, self._laws.life(job.id))
        if does == "poison" or (does == "stumbles" and self._world.storm and self._world.chance.random() < STUMBLE):
            self._world.kill(self._process)
        if does == "speaks":
            context.log("a line")
        if does == "waits":
            for _ in range(4):
                if context.cancelled():
                    return JobCancelled("cancelled while it waited")
                time.sleep(self._world.options.tick * 50)
        if does == "fails" or (does == "fails once" and not self._laws.life(job.id).retries):
            return Refused("no luck")
        return Answer({"did": does}, {"page": b"text"} if does == "attaches" else {})


class Roles:
    """Makes the processes of one world."""

    def __init__(self, world: World, laws: Laws, farm: Callable[[], Farm]) -> None:
        self._world = world
        self._laws = laws
        self._farm = farm
        self._started = 0
        self._begun: list[str] = []
        #: Whether the farm is to end.
        self.over = False

    @property
    def calm(self) -> bool:
        """Whether nothing befalls anybody any more."""
        return not self._world.storm

    def _start(self, role: str, body: Callable[[Process], None]) -> Process:
        self._started += 1
        return self._world.start(f"{role}{self._started}", body, self._farm())

    def worker(self) -> Process:
        """A worker, as the farm has it."""

        def body(process: Process) -> None:
            if self.over:
                return  # it was to stop before it had begun
            process.act = "work"
            worker = Worker(process.farm, SimulatedTask(self._world, self._laws, process), lambda done: done >= 20)
            process.stop = worker.stop
            try:
                worker.run(process.name)
            except OSError as error:
                if not process.struck and not isinstance(error, Timeout):
                    raise  # else it could not start or end, as on a full disk: it is a dead worker

        return self._start("worker", body)

    def launcher(self) -> Process:
        """Looks after the dead and the cancelled, and sweeps."""

        def body(process: Process) -> None:
            chance, marked = self._world.chance, dict[str, float]()
            process.stop = lambda: self._world.rouse(process)
            while not self.over:
                self._do(process, "reclaim", "", process.farm.spool.reclaim)
                self._do(process, "enforce", "", lambda: self._enforce(process, marked))
                if chance.random() < 0.2:
                    self._do(process, "sweep", "", process.farm.sweep)
                process.act, process.about = "rest", ""
                self._world.sleep(max(self._world.options.tick * chance.choice((10, 100, 1000)), 0.2 * self.calm))

        return self._start("launcher", body)

    def janitor(self) -> Process:
        """A launcher that looks once."""

        def body(process: Process) -> None:
            self._do(process, "reclaim", "", process.farm.spool.reclaim)
            self._do(process, "sweep", "", process.farm.sweep)

        return self._start("janitor", body)

    def undertaker(self) -> Process:
        """Fills the spool with jobs that have failed for good."""

        def body(process: Process) -> None:
            spool = process.farm.spool
            lease = Lease.take(spool.workers, spool.active, process.name)
            for _ in range(self._world.options.jobs):
                job = self._job(durable=True)
                spool.put(job)
                self._laws.promise(self._laws.life(job.id))
                [claim] = spool.claim(lease, spool.cursor(["echo"]), lambda task: 1)
                spool.finish(claim, Result.without_run(claim.job, State.FAILED, "no luck", "task_error"))
            spool.retire(lease)

        return self._start("undertaker", body)

    def hot_folder(self) -> Process:
        """Takes dropped files and answers them."""

        def body(process: Process) -> None:
            process.act = "inbox"
            try:
                folder = HotFolder(process.farm)
                process.stop = folder.stop
                if self.over:
                    folder.stop()  # it was to stop before it had begun
                folder.run()
            except OSError:
                if not process.struck:
                    raise  # else it could not start

        return self._start("inbox", body)

    def dropper(self) -> Process:
        """Drops files into the hot folder, some of which it writes to twice."""

        def body(process: Process) -> None:
            process.act = "drop"
            for number in range(self._world.options.files):
                try:
                    self._drop(process, f"{SPOOL}/inbox/echo/{number}.txt")
                except OSError:
                    if not process.struck:
                        raise

        return self._start("dropper", body)

    def _drop(self, process: Process, path: str) -> None:
        descriptor = -1
        while descriptor < 0:
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except FileNotFoundError:
                with suppress(FileExistsError, FileNotFoundError):  # the hot folder makes it, too, and takes it back
                    os.makedirs(os.path.dirname(path))
        try:
            os.write(descriptor, b"some words")
        finally:
            os.close(descriptor)
        self._world.sleep(self._world.options.tick * self._world.chance.choice((1, 100)))

    def _enforce(self, process: Process, marked: dict[str, float]) -> None:
        """Kill the worker of a job that was cancelled and does not notice, as the launcher does."""
        for wid, files in process.farm.spool.running().items():
            for file in files:
                if process.farm.spool.marked(file.id):
                    since = marked.setdefault(file.path, self._world.now)
                    worker = next((each for each in self._world.processes if each.name == wid), None)
                    if worker and self._world.now - since > GRACE:
                        self._world.kill(worker)

    def client(self) -> Process:
        """Submits jobs, and changes its mind."""

        def body(process: Process) -> None:
            for _ in range(self._world.options.acts):
                self._one_act(process)

        return self._start("client", body)

    def operator(self) -> Process:
        """Pauses the task or the whole queue, and resumes it."""

        def body(process: Process) -> None:
            chance, farm = self._world.chance, process.farm
            for _ in range(self._world.options.pauses):
                what = chance.choice(("echo", ALL))
                if self._do(process, "pause", what, lambda what=what: farm.pauses.pause(what))[0]:
                    self._laws.rest()
                self._world.sleep(self._world.options.tick * chance.choice((10, 300, 3000)))
                self._laws.resume()
                self._do(process, "resume", what, lambda what=what: farm.pauses.resume(what))

        return self._start("operator", body)

    def reviver(self) -> Process:
        """Resumes what operators that died have left."""

        def body(process: Process) -> None:
            self._laws.resume()
            self._do(process, "resume", ALL, process.farm.pauses.resume)

        return self._start("reviver", body)

    def _one_act(self, process: Process) -> None:
        chance, farm = self._world.chance, process.farm
        if not self._begun or (len(self._begun) < self._world.options.jobs and chance.random() < 0.4):
            self._submit(process)
            return
        job_id = chance.choice(self._begun)
        life = self._laws.life(job_id)
        acts, _ = MOODS[self._world.options.mood]
        [act] = chance.choices(list(acts), list(acts.values()))
        match act:
            case "cancel":
                self._do(process, act, job_id, lambda: farm.cancel(job_id))
            case "forget":
                self._forget(process, life)
            case "retry":
                self._retry(process, life)
            case "ask":
                self._ask(process, life)
            case "list":
                self._do(process, act, "", lambda: (farm.jobs(), farm.running(), farm.figures(), farm.unfinished()))
            case "clear":
                self._do(process, act, job_id, lambda: farm.remove_result(job_id))
            case "remove":
                self._do(process, act, job_id, lambda: farm.remove_dead_letter(job_id))
            case "wait":
                self._do(process, act, job_id, lambda: farm.wait_record(job_id, self._patience()))
            case "pause":
                self._world.sleep(self._world.options.tick * chance.choice((10, 300)))
            case "leap" if (
                not self._world.options.files
            ):  # a result that expires just as it is handed over is no answer
                self._world.now += 2 * KEPT
                for each in self._world.processes:
                    each.struck = True  # it was stopped for as long
                self._do(process, "sweep", "", farm.sweep)

    def _submit(self, process: Process) -> None:
        chance = self._world.chance
        durable = chance.random() < 0.6
        job = self._job(durable=durable)
        life = self._laws.life(job.id)
        if durable or chance.random() < 0.3:
            done, error = self._do(process, "put", job.id, lambda: process.farm.put(job))
            if done:
                self._laws.promise(life)
            elif isinstance(error, SpoolUnavailable):
                self._laws.refuse(life, str(error))
            return
        _, error = self._do(process, "answer", job.id, lambda: process.farm.answer(job, self._patience()))
        if isinstance(error, SpoolUnavailable):
            self._laws.refuse(life, str(error))
        elif isinstance(error, WaitTimeout):
            life.promised = True
            if chance.random() < 0.7:
                self._forget(process, life)  # as /tyocr does: nobody will collect it

    def _job(self, *, durable: bool) -> Job:
        chance = self._world.chance
        does = chance.choice(MOODS[self._world.options.mood][1])
        created = time.time()  # of the simulated clock: the default was bound before
        tries = chance.choice((0, 0, 1))
        job = Job("echo", {"does": does}, [b"picture"], durable=durable, created=created, tries=tries)
        self._begun.append(job.id)
        return job

    def _forget(self, process: Process, life: Life) -> None:
        there, retries = bool(life.places or life.ended), life.retries
        life.unwanted = True
        life.forgets += 1
        done, _ = self._do(process, "forget", life.id, lambda: process.farm.forget(life.id))
        if done and there and life.retries == retries:
            self._laws.forget(life)

    def _retry(self, process: Process, life: Life) -> None:
        before = life.retries
        going = [each for each in self._world.processes if each.act == "forget" and each.about == life.id]
        process.forgets = life.forgets - sum(not each.dead and each.acts % 2 for each in going)
        done, _ = self._do(process, "retry", life.id, lambda: process.farm.retry(life.id))
        if done and life.retries == before:
            raise Violation(f"job {life.id}: {process} says that it is queued again, and it is not")

    def _ask(self, process: Process, life: Life) -> None:
        before = life.backwards, bool(life.places or life.result)
        _, error = self._do(process, "ask", life.id, lambda: process.farm.record(life.id))
        if isinstance(error, UnknownJob):
            self._laws.found(life, before)

    def _patience(self) -> float:
        return self._world.options.tick * self._world.chance.choice((20, 500, 5000))

    def _do(self, process: Process, act: str, about: str, do: Callable[[], Any]) -> tuple[bool, BaseException | None]:
        """Whether *do* succeeds, else the error: one that is documented, or that a failed call explains."""
        process.act, process.about, process.acts, process.struck = act, about, process.acts + 1, False
        self._world.note(f"{process} begins")
        try:
            do()
        except (UnknownJob, UnknownFile, SpoolUnavailable, WaitTimeout, JobFailed) as error:
            self._world.note(f"{process} ends with {error!r}")
            return False, error
        except OSError as error:
            if not process.struck:
                raise Violation(f"{process} raised {error!r}, though no call of its own failed by chance") from error
            self._world.note(f"{process} ends with {error!r}")
            return False, error
        finally:
            process.acts += 1
        self._world.note(f"{process} is done")
        return not process.struck, None
