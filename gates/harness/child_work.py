"""What the children of a zygote do: run the tests, or call an entry point."""

import importlib
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gates.harness.entry_points import EntryPointCalls
from gates.harness.import_path import PACKAGES, extend_import_path
from gates.harness.pytest_run import PytestRun

_THREAD_STACK_BYTES = 1 << 20
# Modules of the standard library that take time to import and do nothing else.
_PRELOADED = frozenset(
    """
    argparse ast asyncio base64 bisect calendar collections collections.abc concurrent.futures configparser
    contextlib contextvars copy csv dataclasses datetime decimal difflib email.message email.parser enum
    fractions functools graphlib hashlib heapq hmac html html.parser inspect io ipaddress itertools json
    logging math numbers operator os pathlib pickle pprint queue random re secrets shlex shutil sqlite3
    statistics string struct subprocess tempfile textwrap threading time tomllib types typing unicodedata
    unittest unittest.mock urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zlib
    zoneinfo
    """.split()  # noqa: SIM905 - one name a line would be no easier to read
)


class ChildWork:
    """The work of one child, by its job.

    ``modules`` are names, the block's own first. ``with_tests`` prepares a session of pytest, once for all
    children. ``preload`` are modules that the block imports: those of the standard library and of pinned
    packages are imported once, here.
    """

    def __init__(self, folder: str, modules: list[str], preload: Iterable[str], *, with_tests: bool) -> None:
        # A thread would take as much address space as the largest stack, and a few dozen of them all of it.
        threading.stack_size(_THREAD_STACK_BYTES)
        self.calls = EntryPointCalls(folder, modules)
        self.tests = PytestRun(folder, modules) if with_tests else None
        self.chosen: EntryPointCalls | PytestRun | None = None
        _preload(Path(folder), preload)

    def prepare(self, job: dict[str, Any], report: int) -> None:
        """Get ready for one job."""
        self.chosen = self.calls if "call" in job else self.tests
        if self.chosen:
            self.chosen.prepare(job, report)

    def run(self) -> None:
        """Run code of the block."""
        if self.chosen:
            self.chosen.run()


def _preload(folder: Path, names: Iterable[str]) -> None:
    """Import ``names`` from the standard library or the packages. No code of the repo runs here."""
    # Threads of the zygote would count in every child, and the order of their sums is not always the same.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    before = list(sys.path)
    sys.path[:] = [path for path in sys.path if path != str(folder)]
    extend_import_path(folder, packages_only=True)
    for name in names:
        root = name.partition(".")[0]
        is_packaged = any((folder.parent / PACKAGES / each).exists() for each in (root, f"{root}.py"))
        if name not in _PRELOADED and not is_packaged:
            continue
        try:
            importlib.import_module(name)
        # The child meets the same error, and reports it.
        except BaseException:  # noqa: BLE001, S112 - a package may do anything
            continue
    sys.path[:] = before
