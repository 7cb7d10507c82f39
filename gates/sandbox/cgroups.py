"""A control group for one job: memory and tasks counted by the kernel over all its processes.

Version 1 and version 2.

Used where it is writable (root, or a delegated slice); elsewhere the limits per process and per user hold
alone.
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


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where jobs' groups can be made. ``version`` is 1 or 2; ``controllers`` those that work there."""

    root: Path
    version: int
    controllers: tuple[str, ...]


class ControlGroup:
    """The folders of one job's group. ``add`` before the job runs, ``kill`` after it."""

    def __init__(self, folders: tuple[tuple[Hierarchy, Path], ...]) -> None:
        self._folders = folders

    @property
    def controllers(self) -> frozenset[str]:
        return frozenset(name for hierarchy, _ in self._folders for name in hierarchy.controllers)

    def add(self, pid: int) -> None:
        """Move ``pid`` in. Its children are born inside."""
        for _, folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def processes(self) -> set[int]:
        """Who lives in the group, as this process numbers them."""
        found: set[int] = set()
        for _, folder in self._folders:
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return found

    def kill(self) -> None:
        """Kill whoever is left.

        A fork bomb cannot outrun this: the tasks are bounded, and each turn kills all.
        """
        for _ in range(200):
            living = self.processes()
            if not living:
                return
            for pid in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, 9)
            time.sleep(0.005)

    def remove(self) -> None:
        self.kill()
        for _, folder in self._folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.005)  # the kernel still buries the last one
                else:
                    break


def _own() -> Iterator[tuple[int, tuple[str, ...], str]]:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        yield int(number), tuple(names.split(",")), path


def _mounts() -> Iterator[tuple[str, set[str], Path]]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        kind, _, options = right.split()[:3]
        if kind in {"cgroup", "cgroup2"}:
            yield kind, set(options.split(",")), Path(left.split()[4])


def _works(hierarchy: Hierarchy) -> bool:
    probe = hierarchy.root / f"sandbox-{secrets.token_hex(6)}"
    try:
        probe.mkdir()
    except OSError:
        return False
    try:
        _limit(hierarchy, probe, 1 << 30, 64)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.rmdir()
    return True


def _limit(hierarchy: Hierarchy, folder: Path, memory: int, processes: int) -> None:
    if "pids" in hierarchy.controllers:
        (folder / "pids.max").write_text(str(processes))
    if "memory" not in hierarchy.controllers:
        return
    if hierarchy.version == 1:
        (folder / "memory.limit_in_bytes").write_text(str(memory))
        swap = folder / "memory.memsw.limit_in_bytes"
        if swap.exists():
            swap.write_text(str(memory))
        return
    (folder / "memory.max").write_text(str(memory))
    if (folder / "memory.swap.max").exists():
        (folder / "memory.swap.max").write_text("0")
    (folder / "memory.oom.group").write_text("1")


def _version_2(mount: Path, own: str) -> Hierarchy | None:
    """Our own group cannot have controllers below it while we live in it, unless it is the root; then its parent may."""
    for root in (mount / own.lstrip("/"), (mount / own.lstrip("/")).parent):
        with contextlib.suppress(OSError):
            (root / "cgroup.subtree_control").write_text(_V2_ENABLE)
        with contextlib.suppress(OSError):
            enabled = (root / "cgroup.subtree_control").read_text().split()
            names = tuple(name for name in ("memory", "pids") if name in enabled)
            hierarchy = Hierarchy(root, 2, names)
            if names and _works(hierarchy):
                return hierarchy
    return None


@cache
def find_hierarchies() -> tuple[Hierarchy, ...]:
    """Where groups can be made on this machine; empty when nowhere."""
    found: list[Hierarchy] = []
    try:
        own, mounts = list(_own()), list(_mounts())
    except OSError:
        return ()
    for kind, options, mount in mounts:
        for _, names, path in own:
            if kind == "cgroup" and names[0] in {"memory", "pids"} and names[0] in options:
                first = Hierarchy(mount / path.lstrip("/"), 1, (names[0],))
                found += [first] if _works(first) else []
            elif kind == "cgroup2" and names == ("",):
                second = _version_2(mount, path)
                found += [second] if second else []
    return tuple(found)


@contextlib.contextmanager
def control_group(memory: int, processes: int) -> Iterator[ControlGroup]:
    """A group with these limits, gone with all its processes at the end.

    Without controllers where none is writable.
    """
    folders: list[tuple[Hierarchy, Path]] = []
    for hierarchy in find_hierarchies():
        folder = hierarchy.root / f"sandbox-{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            _limit(hierarchy, folder, memory, processes)
            folders.append((hierarchy, folder))
    group = ControlGroup(tuple(folders))
    try:
        yield group
    finally:
        group.remove()
