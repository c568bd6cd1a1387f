"""The launcher: the supervisor of one front and N workers. It spawns, reaps, reclaims, scales and stops."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

from filelock import FileLock, Timeout

from spoolfarm import config, files
from spoolfarm.child import Child
from spoolfarm.errors import FarmError, FarmRunning, SettingError
from spoolfarm.farm import Farm
from spoolfarm.lanes import GENERAL, LANES
from spoolfarm.lease import new_worker_id

log = logging.getLogger("launcher")

#: Seconds between two looks at the farm when nothing happens.
TICK = 1.0
#: Seconds between two sweeps of what is past its time.
SWEEP = 60.0
#: Seconds that a task gets to notice that its job was cancelled, before its worker is killed.
CANCEL_GRACE = 5.0
#: Seconds that the front lives at least; one that ends sooner could not start.
FRONT_BOOT = 3.0

#: What the libraries that a task may use read their number of threads from.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: What a worker has no business to know.
SECRETS = ("FARM_API_KEY", "FLASK_SECRET_KEY")


class WorkerChild(Child):
    """A worker of one lane."""

    def __init__(self, number: int, lane: str, tasks: Sequence[str], settings: config.Settings) -> None:
        threads = settings.threads or max(1, config.cores() // max(1, settings.workers))
        environment = {**os.environ, **settings.environment(), "PYTHONUNBUFFERED": "1"}
        if lane != "simulate" or settings.threads:  # a simulation gets what it would get without the farm
            environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        for secret in SECRETS:
            environment.pop(secret, None)
        super().__init__(f"worker {number}", [*front_door("worker"), "--tasks", ",".join(tasks)], environment)
        self.lane = lane
        self.wid = ""
        #: What the launcher killed it for.
        self.reason = ""
        #: Whether it was asked to end, and is not to be started again.
        self.retired = False

    def start(self, *extra: str) -> None:
        self.wid, self.reason = new_worker_id(), ""
        super().start("--launcher", str(os.getpid()), "--id", self.wid, *extra)

    def retire(self) -> None:
        """Let the running job be its last."""
        self.retired = True
        self.signal(signal.SIGTERM)


class Launcher:
    """One farm's processes. Signal handlers only note what came; one loop acts."""

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._farm = Farm(settings=settings)
        self._spool = self._farm.spool
        self._lock = FileLock(f"{self._spool.root}/launcher.lock", fallback_to_soft=False, thread_local=False)
        self._signals: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._front = Child("front", front_door("server"), {**os.environ, **settings.environment()})
        self._workers: list[WorkerChild] = []
        #: Workers that a reload has still to replace.
        self._old: list[WorkerChild] = []
        #: The new worker that has to be ready before the next old one ends.
        self._successor: WorkerChild | None = None
        self._numbered = 0
        #: How many workers each lane shall have.
        self._wanted = wanted(settings)
        #: When each running job, and each mark on one, was first seen, by time.monotonic().
        self._seen: dict[tuple[str, str], float] = {}
        self._look_due = self._sweep_due = 0.0
        #: When those who still run are killed, by time.monotonic(); 0 while the farm is to live.
        self._ending = 0.0

    def run(self) -> int:
        """Keep the farm alive until a signal ends it; return the exit status."""
        self._be_alone()
        check_addresses(self._settings.bind)
        self._listen()
        self._start(self._front, "--launcher", str(os.getpid()))
        self._scale()
        where = ", ".join(f"http://{address}" for address in self._settings.bind)
        log.info("%d workers; the front listens on %s", len(self._workers), where)
        while not self._ended():
            self._obey()
            self._look()
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    os.read(key.fd, 4096)  # a signal came, and is noted
                elif not key.data.pass_on():
                    self._selector.unregister(key.fd)
        log.info("stopped")
        files.remove(f"{self._spool.root}/launcher.json")
        self._lock.release()
        return 0

    # Begin.

    def _be_alone(self) -> None:
        """Be the only launcher on this spool. Raises FarmRunning that names the other."""
        info = f"{self._spool.root}/launcher.json"
        try:
            self._lock.acquire(timeout=1)  # somebody may be trying whether it is free
        except Timeout:
            try:
                other = json.loads(files.read(info))
                who = f"launcher {other['pid']} (listening on {other['bind']}) has been running since {other['since']}"
            except (OSError, ValueError, KeyError):
                who = "a launcher runs"
            raise FarmRunning(
                f"{who} on {self._spool.root}", hint="stop it, or set FARM_SPOOL_DIR to another directory"
            ) from None
        bind = ",".join(map(str, self._settings.bind))
        about = {"pid": os.getpid(), "bind": bind, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        files.write_atomic(info, json.dumps(about).encode())

    def _listen(self) -> None:
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(read, selectors.EVENT_READ)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for name in ("TERM", "INT", "QUIT", "HUP", "TTIN", "TTOU", "CHLD"):
            signal.signal(getattr(signal, f"SIG{name}"), self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    # Keep.

    def _obey(self) -> None:
        """Do what the signals that came ask for."""
        while self._signals:
            match self._signals.pop(0):
                case signal.SIGCHLD:
                    self._look_due = 0.0
                case signal.SIGTERM | signal.SIGINT if not self._ending:
                    self._drain()
                case signal.SIGTERM | signal.SIGINT | signal.SIGQUIT:
                    self._ending = time.monotonic()  # asked twice: now
                case signal.SIGHUP if not self._ending:
                    self._reload()
                case signal.SIGTTIN if not self._ending:
                    self._wanted[GENERAL] += 1
                    self._scale()
                case signal.SIGTTOU if not self._ending and self._wanted[GENERAL] > 0:
                    self._wanted[GENERAL] -= 1
                    self._scale()

    def _look(self) -> None:
        """See who died, what runs too long, and who is to be started."""
        now = time.monotonic()
        if now < self._look_due and not self._ending:
            return
        self._look_due = now + TICK
        causes = self._reap()
        try:
            self._spool.reclaim(causes)
            self._enforce(now)
            if now >= self._sweep_due and not self._ending:
                self._sweep_due = now + SWEEP
                self._farm.sweep()
        except OSError as error:
            log.error("the spool does not obey: %s", error)  # a full disk, perhaps; the next look tries again
        if self._ending:
            self._end(now)
            return
        for child in (self._front, *self._workers):
            if child.pid is None and now >= child.due:
                self._start(child, *(("--launcher", str(os.getpid())) if child is self._front else ()))
        self._replace()

    def _reap(self) -> dict[str, str]:
        """Note who died, and return why by worker id."""
        causes = {}
        if (ended := self._reaped(self._front)) is not None and not self._ending:
            wait = self._front.plan_restart(failed=time.monotonic() - self._front.due < FRONT_BOOT)
            log.error("the front ended (%s); starting it again in %.1f s", ended, wait)
        for worker in list(self._workers):
            was_ready = os.path.exists(f"{self._spool.workers}/{worker.wid}.json")
            ended = self._reaped(worker)
            if ended is None:
                continue
            cause = causes[worker.wid] = worker.reason or ": ".join(filter(None, [ended, worker.last_words()]))
            if worker.retired or self._ending:
                self._workers.remove(worker)
            elif ended == "exit status 0":
                worker.plan_restart(failed=False)  # it made way for a new one
            else:
                wait = worker.plan_restart(failed=not was_ready)
                log.error("%s ended: %s; starting it again in %.1f s", worker.name, cause, wait)
        return causes

    def _reaped(self, child: Child) -> str | None:
        output = child.output or -1
        ended = child.reap()
        if ended is not None and output in self._selector.get_map():
            self._selector.unregister(output)
        return ended

    def _enforce(self, now: float) -> None:
        """Kill the worker of a job that is past its time, or that was cancelled and does not notice."""
        seen: dict[tuple[str, str], float] = {}
        running = self._spool.running()
        for worker in self._workers:
            lane = LANES[worker.lane]
            limit = lane.seconds(self._settings)
            for entry in running.get(worker.wid, []):
                run, mark = (worker.wid, entry.path), (worker.wid, f"{entry.path} mark")
                seen[run] = self._seen.get(run, now)
                if now - seen[run] > limit:
                    self._kill(worker, f"killed after {limit:g} s ({lane.timeout_setting})")
                if self._spool.marked(entry.id):
                    seen[mark] = self._seen.get(mark, now)
                    if now - seen[mark] > CANCEL_GRACE:
                        self._kill(worker, "killed because its job was cancelled")
        self._seen = seen

    def _kill(self, worker: WorkerChild, reason: str) -> None:
        log.warning("%s: %s", worker.name, reason)
        worker.reason = reason
        worker.kill()

    # Scale.

    def _scale(self) -> None:
        """Start or retire workers until each lane that has a task has as many as are wanted."""
        for lane, number in self._wanted.items():
            staying = [worker for worker in self._workers if worker.lane == lane and not worker.retired]
            for worker in staying[number:]:
                self._retire(worker)
            for _ in range(number - len(staying) if self._farm.tasks.lane(lane) else 0):
                self._add(lane)

    def _add(self, lane: str) -> WorkerChild:
        self._numbered += 1
        worker = WorkerChild(self._numbered, lane, self._farm.tasks.lane(lane), self._settings)
        self._workers.append(worker)
        self._start(worker)
        return worker

    def _retire(self, worker: WorkerChild) -> None:
        if worker.pid is None:
            self._workers.remove(worker)
        else:
            worker.retire()

    def _start(self, child: Child, *extra: str) -> None:
        try:
            child.start(*extra)
        except OSError as error:
            wait = child.plan_restart(failed=True)
            log.error("%s cannot be started: %s; trying again in %.1f s", child.name, error, wait)
            return
        child.due = time.monotonic()
        assert child.output is not None
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _reload(self) -> None:
        """Read the settings again, replace the workers one by one, and have the front start anew."""
        try:
            self._settings = config.load()
        except SettingError as error:
            log.error("not reloaded: %s", error)
            return
        log.info("reloading")
        self._wanted = wanted(self._settings)
        self._old = [worker for worker in self._workers if not worker.retired]
        self._front.signal(signal.SIGHUP)

    def _replace(self) -> None:
        """One step of a reload: when the new workers are ready, retire an old one and start the next new one."""
        if not self._old:
            return
        young = [worker for worker in self._workers if not worker.retired and worker not in self._old]
        if not all(os.path.exists(f"{self._spool.workers}/{worker.wid}.json") for worker in young):
            return
        if self._successor is not None:
            old, self._successor = self._old.pop(), None
            if old in self._workers and not old.retired:
                self._retire(old)
        if self._old:
            self._successor = self._add(self._old[-1].lane)
        else:
            self._scale()

    # End.

    def _drain(self) -> None:
        """Begin to stop: the front takes no more requests, and those that wait are still answered."""
        log.info("stopping; running jobs get %g s", self._settings.grace)
        self._ending = time.monotonic() + max(self._settings.grace, 0.001)
        self._front.signal(signal.SIGTERM)

    def _end(self, now: float) -> None:
        """One step of stopping: once the front is gone, or too slow, the workers end after their running job."""
        if now >= self._ending:
            for child in (self._front, *self._workers):
                child.kill()
        elif self._front.pid is None:
            for worker in list(self._workers):
                if not worker.retired:
                    self._retire(worker)

    def _ended(self) -> bool:
        return bool(self._ending) and self._front.pid is None and not self._workers

    def _pause(self) -> float:
        """Seconds until there is something to do if nothing happens."""
        now = time.monotonic()
        due = [child.due for child in (self._front, *self._workers) if child.pid is None and not self._ending]
        self._look_due = min([self._look_due, *due])
        return max(0.0, min(self._look_due, self._ending or self._look_due) - now)


def wanted(settings: config.Settings) -> dict[str, int]:
    """How many workers each lane shall have."""
    return {name: lane.count(settings) for name, lane in LANES.items()}


def front_door(name: str) -> list[str]:
    """The command that runs a front door: the file of the checkout, or the module of an installation."""
    door = config.ROOT / f"{name}.py"
    module = {"server": "spoolfarm.front"}.get(name, f"spoolfarm.{name}")
    return [sys.executable, str(door)] if door.is_file() else [sys.executable, "-m", module]


def check_addresses(addresses: Sequence[config.Address]) -> None:
    """Raise SettingError when the front could not listen on one of *addresses*."""
    for address in addresses:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.host, address.port))
            except OSError as error:
                raise SettingError(f"FARM_BIND={address}: cannot listen there: {error.strerror}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the farm; see `python launcher.py --help`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    given = config.given(sys.argv[1:] if arguments is None else arguments)
    if given:
        # Flags become the environment of a launcher without flags. So every child sees the same settings, a reload
        # reads them again, and what kills processes by the word "worker" does not hit this one for `--workers`.
        os.execve(sys.executable, [*front_door("launcher")], {**os.environ, **given})
    try:
        return Launcher(config.load()).run()
    except (FarmError, OSError) as error:
        hint = f" ({error.hint})" if isinstance(error, FarmError) and error.hint else ""
        print(f"launcher.py: {error}{hint}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
