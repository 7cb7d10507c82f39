"""The first file of the harness that runs in the sandbox, and the only one that is on its disk.

Standard input holds two sets of Python modules and a task, each behind its length. The zygotes start after
the first set and know no part of the rest: neither the modules that make mutants nor the task. A child
returns from all calls of its zygote to the last lines of this file before it runs a line of the block, so
that no frame above the block holds anything, and none of these modules can be imported in it.

The first zygote is a fork. The second is an interpreter of its own, started as ``start.py <descriptor to
read> <descriptor to write>``: what depends on the seed of ``hash`` or on addresses in memory ends otherwise
there.
"""

import importlib.abc
import importlib.machinery
import json
import os
import sys
import types

_LENGTH_DIGITS = 10
_SEED = "PYTHONHASHSEED"
# Seeds have 32 bits; with this one all of them change.
_OTHER_SEED = (1 << 32) - 1


class _TextImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports modules from their texts, by dotted name."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def find_spec(
        self, fullname: str, _path: object = None, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        # A package has no text of its own.
        is_package = any(name.startswith(f"{fullname}.") for name in self.texts)
        if fullname not in self.texts and not is_package:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)

    def exec_module(self, module: types.ModuleType) -> None:
        text = self.texts.get(module.__name__, "")
        exec(compile(text, f"<{module.__name__}>", "exec"), module.__dict__)  # noqa: S102 - the harness's own


def _read_part() -> str:
    """One part of standard input. Read by number: a buffer would hold what comes after it."""
    size = int(_read_exactly(_LENGTH_DIGITS))
    return _read_exactly(size).decode()


def _read_exactly(size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(0, size - len(parts))
        if not part:
            raise EOFError("standard input ended early")
        parts += part
    return bytes(parts)


def _start():  # type: ignore[no-untyped-def]
    """Start the zygotes. Returns the work of a child in a child, and never in the planner."""
    importer = _TextImporter()
    sys.meta_path.insert(0, importer)
    modules = _read_part()
    importer.texts = json.loads(modules)
    seed = os.environ.pop(_SEED, "0")
    descriptors = [int(number) for number in sys.argv[1:]]
    # It loads its modules while this process does the same.
    second = None if descriptors else _start_interpreter(modules, str(int(seed) ^ _OTHER_SEED))
    from gates.harness.zygote import fork_zygote, serve_requests  # noqa: PLC0415 - its text has come just now

    if second is None:
        return serve_requests(descriptors[0], descriptors[1], list(importer.texts))
    first, work = fork_zygote(importer.texts)
    if work is not None:
        return work
    importer.texts |= json.loads(_read_part())
    from gates.harness.main import main  # noqa: PLC0415

    main([first, second], _read_part())
    os._exit(0)


def _start_interpreter(modules: str, seed: str) -> tuple[int, int]:
    """Start a zygote with another seed of ``hash``; descriptors to write requests and to read answers."""
    to_read, standard_input = os.pipe()
    requests, to_zygote = os.pipe()
    from_zygote, answers = os.pipe()
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, True)
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-s", "-B", __file__, str(requests), str(answers)],
        {**os.environ, _SEED: seed},
        file_actions=[(os.POSIX_SPAWN_DUP2, to_read, 0)],
    )
    for descriptor in (to_read, requests, answers):
        os.close(descriptor)
    data = modules.encode()
    data = f"{len(data):0{_LENGTH_DIGITS}d}".encode() + data
    while data:
        data = data[os.write(standard_input, data) :]
    os.close(standard_input)
    return to_zygote, from_zygote


work = _start()  # type: ignore[no-untyped-call]
try:
    work.run()
finally:
    os._exit(0)
