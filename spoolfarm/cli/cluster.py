"""The cluster: checks of the Ray cluster that the farm's jobs run on, where they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from spoolfarm.cli.finding import Finding, Level
from spoolfarm.config import Settings
from spoolfarm.spool import lease
from spoolfarm.tasks import extras
from spoolfarm.units import count
from spoolfarm.worker.executors.cluster import ClusterAway, Head, Node


def cluster(settings: Settings) -> Iterator[Finding]:
    """Whether the head answers and keeps strangers out, which nodes there are, and where the workers' actors are."""
    if settings.executor != "ray":
        return
    if not extras.installed("ray"):
        yield Finding(Level.FAIL, "cluster", str(extras.not_installed("FARM_EXECUTOR=ray", "ray")))
        return
    head = Head(settings.ray_address, insecure=bool(settings.ray_insecure))
    try:
        head.check()
        nodes = head.nodes()
    except ClusterAway as error:
        advice = "start it as docs/scale.md says; the workers wait until it is there, and jobs stay queued"
        yield Finding(Level.FAIL, "cluster", str(error), advice)
        return
    finally:
        head.close()
    there = ", ".join(map(_node, nodes))
    yield Finding(Level.OK, "cluster", f"{settings.ray_address}: {count(len(nodes), 'node')}, {there}")
    workers = lease.ready(f"{settings.spool_dir}/workers")
    actors = Counter(str(worker["node"]) for worker in workers if "node" in worker)
    if actors:
        where = ", ".join(f"{number} on {node}" for node, number in sorted(actors.items()))
        yield Finding(Level.OK, "cluster", f"actors of workers: {where}")


def _node(node: Node) -> str:
    amounts = [f"{name} {node.resources[name]:g}" for name in ("CPU", "GPU") if name in node.resources]
    return f"{node.address} ({', '.join(amounts) or 'no CPU'})"
