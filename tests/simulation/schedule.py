"""A schedule: one world from its beginning until nothing moves any more, and whether every law held."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from spoolfarm.config import Settings
from spoolfarm.farm.farm import Farm
from tests.simulation.disk import MOUNT
from tests.simulation.kernel import Kernel
from tests.simulation.laws import KEPT, RESULTS, SPOOL, Laws
from tests.simulation.options import Options
from tests.simulation.roles import Roles
from tests.simulation.world import Process, Violation, World

#: Calls after which the storm is over, and within which all must end after it.
STORM, CALM = 6_000, 30_000
#: Seconds that pass in the end: by then the spool is tidy. Results, and what is left of them, take longer.
HOURS = 2 * 3600.0


@dataclass(frozen=True)
class Outcome:
    """What became of one schedule."""

    options: Options
    steps: int
    kills: int
    errors: int
    jobs: int
    violation: str | None
    trace: tuple[str, ...] = ()


class Schedule:
    """One world with its processes."""

    def __init__(self, options: Options, *, trace: bool = False) -> None:
        self.world = World(options)
        self.laws = Laws(self.world, attempts=2)
        self.roles = Roles(self.world, self.laws, self._farm)
        if trace:
            self.world.trace = []
        self._settings = Settings(
            spool_dir=SPOOL,
            results_dir=RESULTS,
            data_dir=f"{MOUNT}/data",
            run_dir=f"{MOUNT}/run",
            max_attempts=2,
            result_ttl=KEPT,
            dead_ttl=KEPT,
            min_free_mb=0,
        )

    def _farm(self) -> Farm:
        running, self.world.running = self.world.running, None  # what a process does before it begins takes no calls
        try:
            return Farm(settings=self._settings, make=not self.world.processes)
        finally:
            self.world.running = running

    def run(self) -> None:
        """Raise Violation when a law does not hold."""
        world, options = self.world, self.world.options
        if options.mood in ("retry", "letters"):
            world.storm = False
            undertaker = self.roles.undertaker()
            world.run(lambda: undertaker.dead, CALM)
            world.storm = True
        clients = [self.roles.client() for _ in range(options.clients)]
        if options.files:
            clients.append(self.roles.dropper())
        if options.pauses:
            clients.append(self.roles.operator())
        self._keep_alive()
        world.run(lambda: self._keep_alive() or all(client.dead for client in clients), STORM)
        world.storm = False
        if options.pauses:
            world.run(lambda: self._keep_alive() or clients[-1].dead, CALM)
            self.roles.reviver()
        if not world.run(lambda: self._keep_alive() or (self._done(clients) and self.laws.at_rest()), CALM):
            raise Violation(f"not all has ended {CALM} calls after the last fault: {self._unfinished()}")
        self._end()

    def _end(self) -> None:
        """Let the farm end, and hours pass; then look at what is left."""
        self.roles.over = True
        for process in self._living():
            process.stop()
        if not self.world.run(lambda: not self._living(), CALM):
            raise Violation(f"the farm does not end: {[str(process) for process in self._living()]}")
        for seconds, examine in ((HOURS, self.laws.examine), (2 * KEPT, self.laws.examine_leftovers)):
            for pause in (0.0, seconds, 0.0):
                self.world.now += pause
                last = self.roles.janitor()
                self.world.run(lambda: last.dead, CALM)
            examine()

    def _keep_alive(self) -> None:
        """Start what has died, as the launcher and the operating system do."""
        names = [process.name for process in self._living()]
        options = self.world.options
        wanted = {
            "worker": (options.workers, self.roles.worker),
            "launcher": (options.launchers, self.roles.launcher),
            "inbox": (min(options.files, 1), self.roles.hot_folder),
        }
        for role, (number, start) in wanted.items():
            for _ in range(number - sum(name.startswith(role) for name in names)):
                start()

    def _living(self) -> list[Process]:
        return [process for process in self.world.processes if not process.dead]

    def _done(self, clients: list[Process]) -> bool:
        return all(client.dead for client in clients)

    def _unfinished(self) -> str:
        jobs = [f"{life.id} in {sorted(life.places)}, ended {life.ended} times" for life in self.laws.lives.values()]
        return "; ".join([*map(str, self._living()), *self.laws.under_way(), *jobs])


def play(kernel: Kernel, options: Options, *, trace: bool = False) -> Outcome:
    """Run one schedule."""
    schedule = Schedule(options, trace=trace)
    world, violation = schedule.world, None
    with kernel.hosting(world):
        try:
            schedule.run()
        except Violation as error:
            violation = str(error)
        except Exception as error:  # noqa: BLE001  # a process may end with anything, and none should
            violation = "".join(traceback.format_exception(error))
    lines = tuple(world.trace or ())
    return Outcome(options, world.steps, world.kills, world.errors, len(schedule.laws.lives), violation, lines)
