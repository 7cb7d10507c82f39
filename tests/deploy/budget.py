"""How many connections to PostgreSQL the processes of an overlay may open, counted from its manifests."""

from math import ceil
from typing import Any

from tests.deploy.manifests import Manifest, list_workloads, read_values

# What a pool opens at its start, at most (orchestrator/settings.py).
_AT_REST = 2


def count_at_most(found: list[Manifest], name: str) -> int:
    """The sum of ``name`` (``DB_POOL_SIZE`` or ``DB_MAX_OVERFLOW``) over every process at the largest scale,
    with the pods that a rolling update adds."""
    return sum(
        _count_pods_at_most(one, found) * _count_processes(container) * int(read_values(container)[name])
        for one, container in list_workloads(found)
        if "DB_POOL_SIZE" in read_values(container)
    )


def count_at_rest(found: list[Manifest]) -> int:
    """Connections that pools open by themselves at the smallest scale; jobs are over by then."""
    return sum(
        _count_pods(one, found)[0]
        * _count_processes(container)
        * min(_AT_REST, int(read_values(container)["DB_POOL_SIZE"]))
        for one, container in list_workloads(found)
        if "DB_POOL_SIZE" in read_values(container) and one["kind"] == "Deployment"
    )


def count_on_a_replica(found: list[Manifest]) -> int:
    """Connections that all processes may open to one replica. A pool there is as large as the primary's,
    without overflow (``orchestrator.settings``), and only processes that know of replicas have one."""
    knowing = [
        one
        for one, container in list_workloads(found)
        if any(value["name"] == "DATABASE_REPLICA_URLS" for value in container.get("env", []))
    ]
    names = {one["metadata"]["name"] for one in knowing}
    others = [
        one for one in found if one["kind"] not in {"Deployment", "Job"} or one["metadata"]["name"] in names
    ]
    return count_at_most(others, "DB_POOL_SIZE")


def describe_connections(found: list[Manifest]) -> str:
    """The sums of an overlay in a sentence."""
    most, over = count_at_most(found, "DB_POOL_SIZE"), count_at_most(found, "DB_MAX_OVERFLOW")
    there, rest = count_on_a_replica(found), count_at_rest(found)
    return f"connections at most {most} + {over} on the primary, {there} on each replica; {rest} at rest"


def _count_pods(one: Manifest, found: list[Manifest]) -> tuple[int, int]:
    """The smallest and the largest number of pods."""
    name = one["metadata"]["name"]
    for scaler in found:
        target = scaler.get("spec", {}).get("scaleTargetRef", {}).get("name")
        if target == name:
            spec: dict[str, Any] = scaler["spec"]
            if scaler["kind"] == "ScaledObject":
                return spec["minReplicaCount"], spec["maxReplicaCount"]
            return spec["minReplicas"], spec["maxReplicas"]
    replicas = one["spec"].get("replicas", 1)
    return replicas, replicas


def _count_pods_at_most(one: Manifest, found: list[Manifest]) -> int:
    most = _count_pods(one, found)[1]
    surge = one["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", 0)
    if isinstance(surge, str):
        surge = ceil(most * int(surge.rstrip("%")) / 100)
    return int(most + surge)


def _count_processes(container: Manifest) -> int:
    """A pool is a process's: the children of a prefork worker have one each, beside their parent's."""
    command = container["command"]
    if "prefork" not in command:
        return 1
    return 1 + int(command[command.index("--concurrency") + 1])
