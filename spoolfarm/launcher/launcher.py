"""The launcher: the supervisor of front, hot folder and workers. It starts, obeys signals, and stops them."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from filelock import Timeout

from spoolfarm import config
from spoolfarm.errors import FarmError, FarmRunning
from spoolfarm.farm.farm import Farm
from spoolfarm.launcher import premises
from spoolfarm.launcher.autoscale import Autoscale, Look
from spoolfarm.launcher.child import Child
from spoolfarm.launcher.commands import SPOOL_MARK, WORKER_MARK, become_launcher, command, without_secrets
from spoolfarm.launcher.front_child import FrontChild
from spoolfarm.launcher.health import answers
from spoolfarm.launcher.log import Log
from spoolfarm.launcher.logfile import LogFile
from spoolfarm.launcher.pool import WorkerPool
from spoolfarm.spool import checksum, files
from spoolfarm.spool.lock import close_to_others, lock
from spoolfarm.system import log_lines, orphans, process, streams
from spoolfarm.tasks.lanes import GENERAL, LANES
from spoolfarm.worker import equipment

log = logging.getLogger("launcher")

#: Seconds between checks of the farm when nothing happens.
TICK = 1.0
#: Seconds between sweeps of what has expired.
SWEEP = 60.0
#: Seconds that the front and the hot folder live at least; if one ends sooner, it could not start.
BOOT = 3.0
#: Seconds for which the log's last line at the start is held back for workers that are not ready, and those that a try
#: may take whether the front answers.
SETTLE, PATIENCE = 30.0, 0.5


class Launcher:
    """One farm's processes. Signal handlers only record which signal came; one loop acts."""

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._farm = Farm(settings=settings)
        self._spool = self._farm.spool
        self._lock = lock(f"{self._spool.root}/launcher.lock")
        self._signals: list[int] = []
        self._log_file = LogFile()
        self._selector = selectors.DefaultSelector()
        self._front = FrontChild(settings, self._selector)
        self._hot_folder = Child("hot folder", command("hotfolder"), without_secrets(settings), self._selector)
        #: The children of which there is one each.
        self._services = (self._front, self._hot_folder)
        self._pool = WorkerPool(self._spool, settings, self._farm.tasks.lane, self._selector, shared(self._farm))
        self._autoscale = Autoscale(settings.crew)
        self._look_due = self._sweep_due = self._watch_due = 0.0
        self._began, self._since = time.monotonic(), time.strftime("%Y-%m-%d %H:%M:%S")
        self._greeted = False
        #: Whether it was started at a terminal, and is to end with it.
        self._terminal = process.has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        #: The inode of the locked file.
        self._inode = 0
        #: When children that still run are killed, by time.monotonic(); 0 while the farm is not stopping.
        self._ending = 0.0

    def run(self) -> int:
        """Keep the farm alive until a signal ends it; return the exit status."""
        self._be_alone()
        premises.check(self._settings)
        equipment.check(self._farm)
        self._spool.disabled.clear_all()
        tell_faults(self._farm)
        self._listen()
        for service in self._services:
            service.try_start("--launcher", str(os.getpid()))
        for lane, number in wanted(self._settings).items():
            self._pool.scale(lane, number)
        self._announce()
        where = ", ".join(f"http://{address}" for address in self._settings.bind)
        log.info("%d workers; the front listens on %s", len(self._pool.workers), where)
        while not self._ended():
            self._obey()
            self._look_after()
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    os.read(key.fd, 4096)  # a signal came, and is recorded
                else:
                    _pass_on(key.data)
        self._pool.close()
        orphans.kill_adopted()
        log.info("stopped")
        files.remove(f"{self._spool.root}/launcher.json")
        self._lock.release()
        return 0

    # Begin.

    def _be_alone(self) -> None:
        """Be the only launcher on this spool. Raises FarmRunning that names the other."""
        info = f"{self._spool.root}/launcher.json"
        close_to_others(self._lock.lock_file)
        try:
            self._lock.acquire(timeout=1)  # another process may be testing whether it is free
        except Timeout:
            try:
                other = checksum.opened(files.read(info))
                who = f"launcher {other['pid']} (listening on {other['bind']}) has been running since {other['since']}"
            except (OSError, ValueError, KeyError):
                who = "a launcher runs"
            raise FarmRunning(
                f"{who} on {self._spool.root}", hint="stop it, or set FARM_SPOOL_DIR to another directory"
            ) from None
        self._inode = os.stat(self._lock.lock_file).st_ino
        orphans.kill_marked({WORKER_MARK: None, SPOOL_MARK: self._spool.root})  # a launcher that was killed left them
        self._announce()

    def _announce(self) -> None:
        """Say who keeps this spool's workers, and how many general ones there are to be."""
        bind, workers = ",".join(map(str, self._settings.bind)), self._pool.wanted(GENERAL)
        about = {"pid": os.getpid(), "bind": bind, "since": self._since, "workers": workers}
        try:
            files.write_atomic(f"{self._spool.root}/launcher.json", json.dumps(about).encode())
        except OSError as error:
            log.warning("how many workers there are to be is not told: %s", error)

    def _be_still_alone(self) -> None:
        """If the spool was emptied, make it again and take the lock again; end if another launcher took it first."""
        try:
            if os.stat(self._lock.lock_file).st_ino == self._inode:
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            log.error("%s cannot be looked at: %s", self._lock.lock_file, error)
            return
        log.error(
            "%s is gone: somebody has emptied the spool; what was in it is lost, and it is made anew", self._spool.root
        )
        self._lock.release()
        try:
            self._spool.make()
            self._be_alone()
        except FarmRunning as error:
            log.error("%s", error)
            if not self._ending:
                self._drain()
        except OSError as error:
            log.error("the spool cannot be made anew yet: %s", error)

    def _listen(self) -> None:
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(read, selectors.EVENT_READ)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for name in ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "TTIN", "TTOU", "CHLD"):
            signal.signal(getattr(signal, f"SIG{name}"), self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    # Keep.

    def _obey(self) -> None:
        """Do what the signals that came request."""
        while self._signals:
            match self._signals.pop(0):
                case signal.SIGCHLD:
                    self._look_due = 0.0
                case signal.SIGTERM | signal.SIGINT if not self._ending:
                    self._drain()
                case signal.SIGTERM | signal.SIGINT | signal.SIGQUIT:
                    self._ending = time.monotonic()  # requested twice: now
                case signal.SIGHUP if not self._ending and self._terminal and not process.has_terminal():
                    self._drain()  # the terminal has been closed
                case signal.SIGHUP if not self._ending:
                    self._reload()
                case signal.SIGUSR1:
                    self._reopen_logs()
                case signal.SIGTTIN | signal.SIGTTOU as number if not self._ending:
                    more = 1 if number == signal.SIGTTIN else -1
                    self._pool.add(GENERAL, more)
                    self._autoscale.shift(more)
                    self._announce()

    def _look_after(self) -> None:
        """Look, whatever the system refuses: a launcher that ended would end all the others."""
        try:
            self._look()
            self._watch_due = self._pool.watch_memory()
        except OSError as error:
            log.error("the farm cannot be looked after: %s", error)  # no descriptor is left, perhaps
            self._watch_due = time.monotonic() + TICK

    def _look(self) -> None:
        """Find which children died, what runs too long, and what is to be started."""
        now = time.monotonic()
        if now < self._look_due and not self._ending:
            return
        self._look_due = now + TICK
        self._be_still_alone()
        self._reap_services()
        self._pool.look(ending=bool(self._ending))
        known = [child.pid for child in (*self._services, *self._pool.children())]
        orphans.bury_orphans([*known, self._pool.reaper.pid])
        if self._ending:
            self._end(now)
            return
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP
            try:
                self._farm.sweep()
            except OSError as error:
                log.error("the spool cannot be swept: %s", error)  # a full disk, perhaps; the next sweep tries again
        self._fit(now)
        for service in self._services:
            if service.pid is None and now >= service.due:
                service.try_start("--launcher", str(os.getpid()))
        if not self._greeted:
            self._greet(now)

    def _fit(self, now: float) -> None:
        """Have as many general workers as the jobs want, where the settings leave a choice."""
        if self._autoscale.crew.least == self._autoscale.crew.most:
            return
        tasks = self._farm.tasks.lane(GENERAL)
        waiting = sum(number for task, number in self._farm.pauses.waiting().items() if task in tasks)
        held = self._pool.wanted(GENERAL)
        number = self._autoscale.wanted(Look(now, held, *self._pool.staff(GENERAL), waiting))
        if number != held:
            log.info("%d jobs wait: %d workers in place of %d", waiting, number, held)
            self._pool.scale(GENERAL, number)
            self._announce()

    def _greet(self, now: float) -> None:
        """Say where to go, once the front answers and the workers are ready, so that it is the last line of all."""
        ready = len(self._farm.workers()) >= len(self._pool.workers) or now > self._began + SETTLE
        if ready and answers(self._settings.bind[0], PATIENCE):
            self._greeted = True
            path = f"{self._settings.base_path}/" if self._settings.base_path else ""
            log.info("Open %s%s", self._settings.bind[0].url, path)

    def _reap_services(self) -> None:
        for service in self._services:
            ended = service.reap()
            if ended is None or self._ending:
                continue
            asked = service is self._hot_folder and ended == "exit status 0"  # by a reload
            wait = service.plan_restart(failed=not asked and time.monotonic() - service.due < BOOT)
            if not asked:
                log.error("the %s ended (%s); starting it again in %.1f s", service.name, ended, wait)

    def _reload(self) -> None:
        """Read the settings again, replace the workers one by one, and have front and hot folder start anew."""
        self._reopen_logs()
        try:
            settings, kept = config.load().after(self._settings)
            farm = equipment.reloaded(settings)
            equipment.check(farm)
        except (FarmError, OSError) as error:
            log.error("not reloaded: %s", error)
            return
        log.info("reloading")
        if kept:
            log.warning("%s changed, which only a restart makes hold", ", ".join(kept))
        tell_faults(farm)
        self._farm.close()
        self._settings, self._farm, self._spool = settings, farm, farm.spool
        self._autoscale = Autoscale(settings.crew)
        held = self._pool.wanted(GENERAL)
        self._pool.renew(settings, wanted(settings, held), farm.spool, farm.tasks.lane, shared(farm))
        self._announce()
        self._front.reload(settings)
        self._hot_folder.environment = without_secrets(self._settings)
        self._hot_folder.signal(signal.SIGTERM)

    def _reopen_logs(self) -> None:
        """Go on in new files where somebody has moved the log, or that of the requests."""
        try:
            names = self._log_file.reopen()
        except OSError as error:
            log.error("the log cannot be opened again: %s", error)
            return
        if self._settings.access_log:
            self._front.signal(signal.SIGUSR1)
        if names:
            log.info("the log goes on in %s", ", ".join(names))

    # End.

    def _drain(self) -> None:
        """Begin to stop: the front takes no more requests, and those that wait are still answered."""
        log.info("stopping; running jobs get %g s", self._settings.grace)
        self._ending = time.monotonic() + max(self._settings.grace, 0.001)
        for service in self._services:
            service.signal(signal.SIGTERM)

    def _end(self, now: float) -> None:
        """One step of stopping: once front and hot folder are gone, or too slow, the workers end after their job."""
        if now >= self._ending:
            for service in self._services:
                service.kill()
            self._pool.kill()
        elif not any(service.pid for service in self._services):
            self._pool.retire()

    def _ended(self) -> bool:
        return bool(self._ending) and not self._pool.children() and not any(service.pid for service in self._services)

    def _pause(self) -> float:
        """Seconds until there is something to do if nothing happens."""
        now = time.monotonic()
        if not self._ending:
            waiting = [service.due for service in self._services if service.pid is None]
            self._look_due = min([self._look_due, self._pool.due(), *waiting])
        return max(0.0, min(self._look_due, self._watch_due, self._ending or self._look_due) - now)


def _pass_on(child: Child) -> None:
    """Print what a child has printed."""
    try:
        child.pass_on()
    except OSError as error:
        log.error("%s cannot be heard: %s", child.name, error)


def wanted(settings: config.Settings, held: int = 0) -> dict[str, int]:
    """How many workers each lane is to have; the general one about as many as are *held*, where there is a choice.

    A farm without general workers only queues, and has no workers at all.
    """
    lanes = {name: lane.count(settings) if settings.workers else 0 for name, lane in LANES.items()}
    return lanes | {GENERAL: min(max(held, settings.crew.least), settings.crew.most)}


def shared(farm: Farm) -> list[str]:
    """The tasks of the general workers that have something to share, where workers can be forked.

    On a cluster they share what it takes to use it, and no task.
    """
    ray = farm.settings.executor == "ray"
    found = farm.tasks.lane(GENERAL) if ray else farm.tasks.shared(GENERAL)
    return found if found and orphans.adopt_orphans() else []


def tell_faults(farm: Farm) -> None:
    """Log which tasks cannot be had, which are disabled while the others are not, and what is wrong with settings."""
    for reason in farm.tasks.broken().values():
        log.error("%s; it is disabled", reason)
    for fault in farm.tasks.faults():
        log.warning("%s", fault)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the farm; see `python launcher.py --help`."""
    streams.prepare()
    process.end_at_once()
    given = config.given(sys.argv[1:] if arguments is None else arguments)
    if given:
        become_launcher(given)
    try:
        settings = config.load()
        process.unburden(settings.home)
        log_lines.tell_jobs(settings.log)
        with Log(log_lines.formatter(settings.log, "launcher", log_lines.ALONE)), premises.named(settings):
            return Launcher(settings).run()
    except (FarmError, OSError) as error:
        hint = f" ({error.hint})" if isinstance(error, FarmError) and error.hint else ""
        print(f"launcher.py: {error}{hint}", file=sys.stderr)  # noqa: T201
        return 1
