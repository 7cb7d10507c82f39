"""The processes below one of ours, as /proc shows them: what stands in for a control group where none is writable."""

import contextlib
import resource
from pathlib import Path


def anonymous_bytes(ancestor: int) -> int:
    """Memory that ``ancestor`` and its descendants hold apart from files.

    Pages shared after a fork count for each: a ceiling.
    """
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                pid = int(folder.name)
                # the name in brackets may hold spaces and brackets of its own
                parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                resident, shared = map(int, (folder / "statm").read_text().split()[1:3])
                sizes[pid] = (resident - shared) * resource.getpagesize()
    total, generation, seen = 0, {ancestor}, set[int]()
    while generation:
        seen |= generation
        total += sum(sizes.get(pid, 0) for pid in generation)
        generation = {pid for pid, parent in parents.items() if parent in generation} - seen
    return total
