"""A control group for one job, of version 1 or 2: the kernel counts memory and tasks over all its processes.

Used where it is writable (root, or a delegated slice); elsewhere only the limits per process and per user
hold.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_V2_ENABLE = "+memory +pids"
_NAME_PREFIX = "sandbox-"
_KILL_ROUNDS, _REMOVE_ROUNDS, _PAUSE_SECONDS = 200, 50, 0.005


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where jobs' groups can be made. ``version`` is 1 or 2; ``controllers`` those that work there."""

    root: Path
    version: int
    controllers: tuple[str, ...]


class ControlGroup:
    """The folders of one job's group: one for each hierarchy."""

    def __init__(self, folders: tuple[tuple[Hierarchy, Path], ...]) -> None:
        self._folders = folders

    @property
    def controllers(self) -> frozenset[str]:
        return frozenset(name for hierarchy, _ in self._folders for name in hierarchy.controllers)

    def add_process(self, pid: int) -> None:
        """Move ``pid`` in. Its children are born inside."""
        for _, folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def list_processes(self) -> set[int]:
        """Who lives in the group, as this process numbers them."""
        found: set[int] = set()
        for _, folder in self._folders:
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return found

    def kill_processes(self) -> None:
        """Kill every process that is left."""
        # A fork bomb cannot outrun this: the number of its tasks is limited, and each round kills all.
        for _ in range(_KILL_ROUNDS):
            living = self.list_processes()
            if not living:
                return
            for pid in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, 9)
            time.sleep(_PAUSE_SECONDS)

    def remove(self) -> None:
        """Kill what is left and remove the folders."""
        self.kill_processes()
        for _, folder in self._folders:
            for _ in range(_REMOVE_ROUNDS):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    # A killed process keeps the folder busy until the kernel has cleaned up after it.
                    time.sleep(_PAUSE_SECONDS)
                else:
                    break


def _list_own_groups() -> Iterator[tuple[tuple[str, ...], str]]:
    """Controllers and path of each group that this process is in; version 2 has one, with an empty name."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        yield tuple(names.split(",")), path


def _list_mounts() -> Iterator[tuple[str, set[str], Path]]:
    """Kind, options and place of each mounted hierarchy; see proc_pid_mountinfo(5)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # The number of fields in front of " - " varies.
        left, right = line.split(" - ")
        kind, _, options = right.split()[:3]
        if kind in {"cgroup", "cgroup2"}:
            yield kind, set(options.split(",")), Path(left.split()[4])


def _is_usable(hierarchy: Hierarchy) -> bool:
    """Whether a group with limits can be made there, by trying."""
    probe = hierarchy.root / f"{_NAME_PREFIX}{secrets.token_hex(6)}"
    try:
        probe.mkdir()
    except OSError:
        return False
    try:
        _write_limits(hierarchy, probe, 1 << 30, 64)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.rmdir()
    return True


def _write_limits(hierarchy: Hierarchy, folder: Path, memory: int, processes: int) -> None:
    if "pids" in hierarchy.controllers:
        (folder / "pids.max").write_text(str(processes))
    if "memory" not in hierarchy.controllers:
        return
    if hierarchy.version == 1:
        (folder / "memory.limit_in_bytes").write_text(str(memory))
        # Memory and swap together; missing where the kernel does not count swap.
        swap = folder / "memory.memsw.limit_in_bytes"
        if swap.exists():
            swap.write_text(str(memory))
        return
    (folder / "memory.max").write_text(str(memory))
    if (folder / "memory.swap.max").exists():
        (folder / "memory.swap.max").write_text("0")
    # Out of memory, the kernel kills the whole job and not some process of it.
    (folder / "memory.oom.group").write_text("1")


def _find_version_2(mount: Path, own: str) -> Hierarchy | None:
    """The place for groups of version 2: below this process's own group, or beside it.

    Only the root may hold processes and give controllers to groups below it at once; elsewhere the parent has
    to.
    """
    for root in (mount / own.lstrip("/"), (mount / own.lstrip("/")).parent):
        with contextlib.suppress(OSError):
            (root / "cgroup.subtree_control").write_text(_V2_ENABLE)
        with contextlib.suppress(OSError):
            enabled = (root / "cgroup.subtree_control").read_text().split()
            names = tuple(name for name in ("memory", "pids") if name in enabled)
            hierarchy = Hierarchy(root, 2, names)
            if names and _is_usable(hierarchy):
                return hierarchy
    return None


@cache
def find_hierarchies() -> tuple[Hierarchy, ...]:
    """Where groups can be made on this machine; empty when nowhere."""
    found: list[Hierarchy] = []
    try:
        own, mounts = list(_list_own_groups()), list(_list_mounts())
    except OSError:
        return ()
    for kind, options, mount in mounts:
        for names, path in own:
            # Version 1 has a hierarchy for each controller.
            if kind == "cgroup" and names[0] in {"memory", "pids"} and names[0] in options:
                version_1 = Hierarchy(mount / path.lstrip("/"), 1, (names[0],))
                if _is_usable(version_1):
                    found.append(version_1)
            elif kind == "cgroup2" and names == ("",):
                version_2 = _find_version_2(mount, path)
                if version_2:
                    found.append(version_2)
    return tuple(found)


@contextlib.contextmanager
def control_group(memory: int, processes: int) -> Iterator[ControlGroup]:
    """A group with these limits, gone with all its processes at the end.

    It limits nothing where no hierarchy is writable.
    """
    folders: list[tuple[Hierarchy, Path]] = []
    # A hierarchy that fails now is left out, and the job is measured from outside instead.
    for hierarchy in find_hierarchies():
        folder = hierarchy.root / f"{_NAME_PREFIX}{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            _write_limits(hierarchy, folder, memory, processes)
            folders.append((hierarchy, folder))
    group = ControlGroup(tuple(folders))
    try:
        yield group
    finally:
        group.remove()
