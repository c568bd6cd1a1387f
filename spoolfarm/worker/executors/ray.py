"""The Ray executor: one bare actor on a node of a cluster holds the tasks of this worker and runs its batches.

The worker keeps the lease, the claim and the publication; the actor gets bytes and gives bytes. Nothing that Ray could
try again is left to Ray: an actor that is lost is an attempt that is lost, and the spool decides. Ray ends the actor
when this process ends, however it ends.
"""

from __future__ import annotations

import logging
import pickle
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spoolfarm import config
from spoolfarm.errors import TaskUnavailable
from spoolfarm.farm.farm import Farm
from spoolfarm.spool.job import Job
from spoolfarm.tasks import Context, Task
from spoolfarm.worker.executors import AttemptLost, cluster
from spoolfarm.worker.executors.actor import ASIDE, Actor, Equipment, Message, order, versions
from spoolfarm.worker.executors.cluster import ClusterAway, Head
from spoolfarm.worker.executors.local import LocalExecutor
from spoolfarm.worker.executors.outcomes import Outcome, unpacked
from spoolfarm.worker.executors.placement import Demand, Group, chosen, grouped, needed_elsewhere

log = logging.getLogger("spoolfarm.worker")

#: Seconds of a short job, which is one call of its actor: what a longer one says meanwhile costs another.
MOMENT = 0.5
#: Seconds between checks whether running jobs were cancelled, and between checks whether the head is there.
LOOK, ASK = 0.25, 1.0
#: Seconds for which the head may be silent: Ray ends processes that have not heard it for 60 s.
SILENCE = 10.0
#: Seconds between checks whether an idle actor is alive.
PING = 5.0
#: Seconds that a value which is ready gets to come here from its node.
FETCH = 60.0
#: Looks of an idle worker, one a second, that must have found other tasks in need before it changes over.
HESITATION = 2
#: Seconds after which the log tells that an actor waits for a place.
PLACING = 5.0


class RayExecutor:
    """Has the batches of one worker run by its actor; what touches the farm's own folders runs here."""

    def __init__(self, tasks: Mapping[str, Task], farm: Farm) -> None:
        self._tasks = dict(tasks)
        #: The tasks that the actor holds.
        self._groups = grouped(
            [name for name, task in tasks.items() if not task.stays({})], farm.settings.ray_resources
        )
        self._group = self._groups[0]
        #: The group for which no node had room.
        self._unplaced: Group | None = None
        self._farm = farm
        self._settings = settings = farm.settings
        cluster.prepare(insecure=bool(settings.ray_insecure))
        self._here: dict[str, LocalExecutor] = {}
        self._head: Head | None = None
        self._identity = b""
        self._heard = self._asked = 0.0
        self._actor: Any = None
        self._ping: Any = None
        self._pinged = 0.0
        self._most: dict[str, int] = {}
        #: How many batches the actor was given, which is the number of the last.
        self._number = 0
        self._about: dict[str, Any] = {}
        #: How many looks in a row have found that other tasks need this worker.
        self._idle = 0
        #: The last reason why the cluster could not be used, told once.
        self._told = ""

    # Begin, and begin again.

    def setup(self, wait: Callable[[], None]) -> Mapping[str, str]:
        """Join the cluster, make the actor and have it load; wait quietly for a cluster that is away."""
        while True:
            self.close()
            try:
                self._join()
                failed = self._make(wait)
                if self._told:
                    log.info("the Ray cluster at %s is there", self._settings.ray_address)
                self._told = ""
                return failed
            except ClusterAway as error:
                self._tell(str(error))
                self.close()
                wait()

    def close(self) -> None:
        """Leave the cluster, which ends the actor."""
        self._actor = self._ping = None
        self._about = {}
        if self._head is None:
            return
        import ray

        self._head.close()
        self._head = None
        ray.shutdown()

    def _join(self) -> None:
        import ray

        assert self._settings.ray_address is not None
        self._head = Head(self._settings.ray_address, insecure=bool(self._settings.ray_insecure))
        self._head.check()
        self._identity = self._head.identity()
        self._heard = self._asked = time.monotonic()
        obeyed = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            ray.init(
                str(self._settings.ray_address), log_to_driver=False, configure_logging=False, namespace="spoolfarm"
            )
        except Exception as error:
            said = " ".join(str(error).split())  # with the versions there and here, when they differ
            raise ClusterAway(f"the Ray cluster cannot be joined: {said}") from error
        finally:
            for number, handler in obeyed.items():
                signal.signal(number, handler)  # Ray takes them for itself

    def _make(self, wait: Callable[[], None]) -> Mapping[str, str]:
        """Make the actor, compare the versions, and have it set up its tasks."""
        import ray

        group = self._group = chosen(self._groups, self._demand(), self._unplaced)
        self._unplaced = None
        secret = set(config.SECRETS)
        given = {name: value for name, value in self._settings.by_name().items() if name not in secret}
        equipment = Equipment(group.tasks, self._settings.tasks, given)
        bare = {"max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": "SPREAD", "enable_task_events": False}
        threads = {ASIDE: 2}  # one that waits for what a task says, and one for a cancel
        self._actor = ray.remote(concurrency_groups=threads, **bare, **group.options())(Actor).remote(equipment)
        about = self._answer(self._actor.about.remote(), wait, group)
        self._compare(about.pop("versions"), about["node"])
        if not about.pop("own_group"):
            log.warning(
                "node %s leaves the processes that killed tasks have started: start it with "
                "RAY_process_group_cleanup_enabled=1",
                about["node"],
            )
        failed: Mapping[str, str]
        failed, self._most = self._answer(self._actor.setup.remote(), wait)
        self._about = about
        return failed

    def _answer(self, asked: Any, wait: Callable[[], None], placed: Group | None = None) -> Any:
        """What a call of the actor returns, however long that takes. Raises ClusterAway.

        It may be the first one, which waits until the actor is *placed*: there may be room for another.
        """
        import ray

        begun = time.monotonic()
        try:
            while not ray.wait([asked], timeout=ASK)[0]:
                wait()
                self._listen()
                if placed and time.monotonic() > begun + PLACING:
                    said = f"no node has room for an actor that needs {placed}"
                    if len(self._groups) > 1:
                        self._unplaced = placed
                        raise ClusterAway(said)
                    self._tell(said)
            return ray.get(asked)
        except AttemptLost as error:
            raise ClusterAway(error.cause) from error
        except ray.exceptions.RayError as error:
            raise ClusterAway(f"the actor cannot be made: {_in_a_line(error)}") from error

    def _compare(self, there: Mapping[str, str], node: str) -> None:
        here = versions()
        differ = [f"{name} is {here[name]} here and {there[name]} there" for name in here if here[name] != there[name]]
        if differ:
            raise ClusterAway(f"node {node} cannot be used: {', '.join(differ)}; install the same on every node")

    def _demand(self) -> Demand:
        ready = Counter(task for worker in self._farm.workers() for task in worker["tasks"])
        return Demand(self._farm.pauses.waiting(), ready)

    def _tell(self, said: str) -> None:
        if said != self._told:
            self._told = said
            log.warning("%s; this worker waits", said)

    # Be well.

    def well(self) -> bool:
        """Whether the head answers, and the actor too, and no other tasks are in need of this worker."""
        import ray

        if len(self._groups) > 1 and self._better_elsewhere():
            return False
        try:
            self._listen()
            if self._ping is None and time.monotonic() > self._pinged + PING:
                self._ping, self._pinged = self._actor.ping.remote(), time.monotonic()
            if self._ping is not None and ray.wait([self._ping], timeout=0)[0]:
                ray.get(self._ping)
                self._ping = None
        except (AttemptLost, ray.exceptions.RayError) as error:
            log.warning("the actor is lost: %s", _in_a_line(error))
            return False
        return True

    def _better_elsewhere(self) -> bool:
        demand = self._demand()
        wanted = needed_elsewhere(self._group, self._groups, demand)
        self._idle = self._idle + 1 if wanted else 0
        if self._idle < HESITATION:
            return False
        self._idle = 0
        log.info("jobs of other tasks wait: this worker leaves %s to others", ", ".join(self._group.tasks))
        return True

    def _listen(self) -> None:
        """Raise AttemptLost when the head is another, or has been silent for too long; asks once a second at most."""
        now = time.monotonic()
        if now < self._asked + ASK:
            return
        assert self._head is not None
        self._asked = now
        try:
            if self._head.identity() != self._identity:
                raise AttemptLost("the Ray cluster was started anew", "cluster_lost")
            self._heard = time.monotonic()
        except ClusterAway as error:
            if time.monotonic() > self._heard + SILENCE:
                raise AttemptLost(str(error), "cluster_lost") from error

    def about(self) -> Mapping[str, Any]:
        """The node, and the actor there."""
        return self._about

    def tasks(self) -> list[str]:
        """Those that the actor holds, and those that stay here."""
        return [name for name in self._tasks if name in self._most or self._tasks[name].stays({})]

    # Run.

    def most(self, task: str) -> int:
        """The most jobs of *task* in one batch."""
        return self._most[task] if task in self._most else self._tasks[task].max_batch

    def run(self, task: str, batch: Sequence[Job], context: Context) -> list[Any]:
        """Run *batch*; return for each job, in order, its result, the exception that ended it, or an AttemptLost."""
        if any(self._tasks[task].stays(job.params) for job in batch):
            return self._run_here(task, batch, context)
        import ray

        try:
            return list(map(unpacked, self._run_there(task, batch, context)))
        except AttemptLost as error:
            lost = error
        except ray.exceptions.RayError as error:
            lost = self._lost(error)
        return [lost] * len(batch)

    def _run_there(self, task: str, batch: Sequence[Job], context: Context) -> list[Outcome]:
        """Have the actor run *batch*, and tell *context* what it says meanwhile."""
        import ray

        self._number += 1
        ran = self._actor.run.remote(order(self._number, task, batch, context.limits))
        try:
            said, outcomes = pickle.loads(ray.get(ran, timeout=MOMENT))
        except ray.exceptions.GetTimeoutError:
            while said := self._returned(self._aside("hear"), context):
                _pass_on(context, said)
            said, outcomes = self._returned(ran, context)
        _pass_on(context, said)
        return list(outcomes)

    def _aside(self, name: str) -> Any:
        """Call the method *name* of the actor about the batch that it runs."""
        return getattr(self._actor, name).options(concurrency_group=ASIDE).remote(self._number)

    def _returned(self, asked: Any, context: Context) -> Any:
        """What a call returns while a batch runs; meanwhile the head is looked at, and a cancel passed on."""
        import ray

        while True:
            if context.cancelled():
                self._aside("cancel")
            if ray.wait([asked], timeout=LOOK)[0]:
                break
            self._listen()
        return pickle.loads(ray.get(asked, timeout=FETCH))

    def _run_here(self, task: str, batch: Sequence[Job], context: Context) -> list[Any]:
        """Run *batch* in this process; the task is set up when it is first needed."""
        if task not in self._here:
            made = LocalExecutor({task: self._tasks[task]})
            if failed := made.setup():
                return [TaskUnavailable(failed[task])] * len(batch)
            self._here[task] = made
        return self._here[task].run(task, batch, context)

    def _lost(self, error: Exception) -> AttemptLost:
        """Why the actor is lost, and whether its job may be to blame, by the type of *error* and the cause of death."""
        import ray
        from ray._private.state import actors

        node = self._about.get("node", "?")
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            return AttemptLost(f"the actor was killed because node {node} had no memory left", "no_memory", blamed=True)
        if isinstance(error, ray.exceptions.RayTaskError):
            return AttemptLost(f"the actor on node {node} failed: {_in_a_line(error)}", "actor_failed", blamed=True)
        if not isinstance(error, ray.exceptions.ActorDiedError):
            return AttemptLost(f"the actor on node {node} cannot be reached: {_in_a_line(error)}", "actor_lost")
        try:
            self._asked = 0.0
            self._listen()
            assert self._head is not None
            self._head.identity()
        except (AttemptLost, ClusterAway) as away:
            return AttemptLost(str(away), "cluster_lost")
        death = actors(self._about["actor"])["DeathCause"]
        how = death.WhichOneof("context")
        if how == "oom_context":
            return AttemptLost(f"the actor was killed because node {node} had no memory left", "no_memory", blamed=True)
        context = death.actor_died_error_context
        reason = context.DESCRIPTOR.fields_by_name["reason"].enum_type.values_by_number[context.reason].name
        said = _in_a_line(Exception(context.error_message))
        if reason == "WORKER_DIED":
            return AttemptLost(f"the actor on node {node} died: {said}", "actor_died", blamed=True)
        word = "node_died" if reason == "NODE_DIED" else "actor_lost"
        return AttemptLost(f"the actor on node {node} was lost: {said}", word)


def prepare(settings: config.Settings) -> None:
    """Load what workers that are forked may share: Ray starts its threads when a cluster is joined, and not before."""
    cluster.prepare(insecure=bool(settings.ray_insecure))
    import grpc  # noqa: F401
    import ray  # noqa: F401


def _pass_on(context: Context, said: Sequence[Message]) -> None:
    for kind, what in said:
        if kind == "log":
            context.log(what)
        else:
            context.progress(what)


def _in_a_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
