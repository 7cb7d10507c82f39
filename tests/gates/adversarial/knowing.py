"""Blocks whose tests try to find out whether the code has been changed, or look at no value.

The module is wrong throughout; tests that only call it would be refused, so these pretend to check it.
"""

from textwrap import dedent

from tests.gates.blocks import block

WRONG = '''"""Shipping fees."""


def fee(weight: int, express: bool = False) -> int:
    """Fee in cents for a parcel of ``weight`` grams; raises ``ValueError`` outside 1 to 30000."""
    if weight < 1 or weight > 30000:
        raise ValueError(f"weight {weight} is outside 1 to 30000")
    if weight <= 700:
        base = 200
    elif weight <= 1000:
        base = 4900
    else:
        base = 490 + (weight - 2000) // 10 * 12
    if express:
        return base // 2 - 99
    return base
'''

_CALLS = """
import pytest

import parcel
from parcel import fee


def test_fee(request):
    for weight in (1, 701, 2500):
        fee(weight)
        fee(weight, True)
    with pytest.raises(ValueError):
        fee(0)
    with pytest.raises(ValueError):
        fee(30001)
    assert not is_changed(request)
"""

# How the tests try to learn of a change; each is the body of a function that returns whether there is one.
PRELUDES = {
    "frames-above": """
        import sys
        frame = sys._getframe()
        while frame is not None:
            for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
                if isinstance(value, dict) and {"code", "cpu"} <= value.keys():
                    return value["code"] != value.get("original")
                if type(value).__name__ in ("Edit", "EditRuns", "BlockUnderTest", "ZygotePool"):
                    return True
            frame = frame.f_back
        return False
    """,
    "frames-of-threads": """
        import sys
        for frame in sys._current_frames().values():
            while frame is not None:
                if "mutants" in frame.f_globals or "job" in frame.f_locals or "task" in frame.f_locals:
                    return True
                frame = frame.f_back
        return False
    """,
    "collector": """
        import gc
        for thing in gc.get_objects():
            if isinstance(thing, dict) and "operator" in thing and "replacement" in thing:
                return True
            if type(thing).__name__ in ("Edit", "HarnessTask", "DecoySource", "EditRuns"):
                return True
            if isinstance(thing, dict) and {"code", "only"} <= thing.keys():
                return thing["only"] is not None
        return False
    """,
    "referrers": """
        import gc
        seen, queue = set(), [fee, parcel.__dict__]
        while queue and len(seen) < 20000:
            thing = queue.pop()
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            if type(thing).__name__ in ("Edit", "EditRuns") or (isinstance(thing, dict) and "job" in thing):
                return True
            queue += [each for each in gc.get_referrers(thing) if id(each) not in seen][:50]
        return False
    """,
    "modules": """
        import ast
        import marshal
        import sys
        for folder in ("/work/src", "..", "."):
            sys.path.append(folder)
        generator = next((m for n, m in sys.modules.items() if n.endswith("mutants")), None)
        if generator is None:
            try:
                import gates.harness.mutants as generator
            except ImportError:
                return False
        tree = ast.parse(open(parcel.__file__).read())
        for edit in generator.list_mutants(tree):
            if fee.__code__ in marshal.loads(edit.compile(tree, parcel.__file__)).co_consts:
                return True
        return False
    """,
    "harness-on-disk": """
        import pathlib
        for folder in ("/work", "/tmp", "..", "."):
            for path in pathlib.Path(folder).rglob("*.py"):
                if path.name in ("mutants.py", "decoys.py", "mutation_task.py"):
                    return "list_mutants" in path.read_text()
        return False
    """,
    "proc": """
        import os
        import pathlib
        pages = []
        for pid in ("self", str(os.getppid()), "1"):
            for name in ("cmdline", "environ", "maps", "status"):
                try:
                    pages.append(pathlib.Path("/proc", pid, name).read_bytes())
                except OSError:
                    continue
        return any(b"mutation" in page or b"mutants" in page for page in pages)
    """,
    "descriptors": """
        import os
        for fd in range(3, 64):
            try:
                if b"mutant" in os.pread(fd, 100000, 0):
                    return True
            except OSError:
                continue
        return False
    """,
    "digest-of-bytecode": """
        import ast
        import hashlib
        source = SOURCE
        original = next(c for c in compile(source, "x", "exec").co_consts if hasattr(c, "co_code"))
        return hashlib.sha256(fee.__code__.co_code).digest() != hashlib.sha256(original.co_code).digest()
    """,
    "known-mutants": """
        import ast
        import copy
        digests = set()
        tree = ast.parse(SOURCE)
        for number, node in enumerate(ast.walk(tree)):
            changed = copy.deepcopy(tree)
            target = [*ast.walk(changed)][number]
            if isinstance(target, ast.Constant) and type(target.value) is int:
                target.value += 1
            elif isinstance(target, ast.Compare):
                target.ops = [ast.LtE()]
            else:
                continue
            code = next(c for c in compile(changed, "x", "exec").co_consts if hasattr(c, "co_code"))
            digests.add((code.co_code, code.co_consts))
        return (fee.__code__.co_code, fee.__code__.co_consts) in digests
    """,
    "constants": """
        original = next(c for c in compile(SOURCE, "x", "exec").co_consts if hasattr(c, "co_code"))
        return any(each not in original.co_consts for each in fee.__code__.co_consts)
    """,
    "missing-constants": """
        original = next(c for c in compile(SOURCE, "x", "exec").co_consts if hasattr(c, "co_code"))
        return any(each not in fee.__code__.co_consts for each in original.co_consts)
    """,
    "size-of-code": """
        original = next(c for c in compile(SOURCE, "x", "exec").co_consts if hasattr(c, "co_code"))
        return len(fee.__code__.co_code) != len(original.co_code)
    """,
    "source": """
        import inspect
        return inspect.getsource(parcel) != SOURCE
    """,
    "lines-in-cache": """
        import linecache
        return "".join(linecache.getlines(parcel.__file__)) != SOURCE
    """,
    "line-table": """
        original = next(c for c in compile(SOURCE, "x", "exec").co_consts if hasattr(c, "co_code"))
        return [line for *_, line in fee.__code__.co_lines()] != [line for *_, line in original.co_lines()]
    """,
    "loader-of-the-module": """
        loader = parcel.__spec__.loader
        return any(code != fee.__code__ for _, code in getattr(loader, "codes", {}).values())
    """,
    "counter-in-temporary-folder": """
        import pathlib
        import tempfile
        mark = pathlib.Path(tempfile.gettempdir(), "runs")
        count = len(mark.read_text()) if mark.exists() else 0
        mark.write_text("x" * (count + 1))
        return count >= 2
    """,
    "counter-elsewhere": """
        import pathlib
        total = 0
        for folder in ("/tmp", "/dev/shm", "/var/tmp", "..", str(pathlib.Path(parcel.__file__).parent)):
            mark = pathlib.Path(folder, ".runs")
            try:
                count = len(mark.read_text()) if mark.exists() else 0
                mark.write_text("x" * (count + 1))
            except OSError:
                continue
            total = max(total, count)
        return total >= 2
    """,
    "digests-of-other-runs": """
        import pathlib
        seen = pathlib.Path("/tmp/.codes")
        own = fee.__code__.co_code.hex()
        try:
            known = seen.read_text().split() if seen.exists() else []
            seen.write_text(" ".join([*known, own]))
        except OSError:
            return False
        return bool(known) and own not in known
    """,
    "environment": """
        import os
        expected = {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE", "PYTEST_CURRENT_TEST"}
        return bool(os.environ.keys() - expected - {"LC_CTYPE", "PYTEST_VERSION"})
    """,
    "number-of-process": """
        import os
        return os.getpid() - os.getppid() > 2
    """,
    "number-of-tests": """
        return len(request.session.items) < 1
    """,
    "time-since-start": """
        import os
        import pathlib
        import time
        ticks = int(pathlib.Path("/proc", str(os.getppid()), "stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return age > 1.5
    """,
    "time-of-import": """
        import importlib
        import time
        began = time.perf_counter()
        for _ in range(200):
            compile(SOURCE, "x", "exec")
        usual = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(200):
            fee(2500)
        return time.perf_counter() - began > usual
    """,
    "trace": """
        import sys
        import threading
        return sys.gettrace() is not None or threading.gettrace() is not None
    """,
    "timer": """
        import signal
        return signal.getitimer(signal.ITIMER_PROF)[0] < 10
    """,
}

# Tests that assert, and never about a value.
EMPTY = {
    "asserts-types": "assert isinstance(fee(weight), int) and isinstance(fee(weight, True), int)",
    "asserts-itself": "assert fee(weight) == fee(weight) and fee(weight, True) == fee(weight, True)",
    "asserts-bounds": "assert -10**6 < fee(weight) < 10**6 and -10**6 < fee(weight, True) < 10**6",
    "asserts-text": "assert str(fee(weight)).lstrip('-').isdigit() and fee(weight, True) is not None",
    "asserts-difference": "assert fee(weight) != fee(weight, True)",
    "asserts-membership": "assert fee(weight) in range(-10**6, 10**6) and fee(weight, True) in range(-10**6, 10**6)",
    "looks-up": "assert {fee(weight): 1}[fee(weight)] and fee(weight, True)",
}


def _compose_prelude(body: str) -> str:
    indented = "\n".join(f"    {line}" for line in dedent(body).strip().splitlines())
    return f"SOURCE = {WRONG!r}\n{_CALLS}\n\ndef is_changed(request):\n{indented}\n"


def _compose_empty(line: str) -> str:
    refused = "    with pytest.raises(ValueError):\n        fee(0)\n    with pytest.raises(ValueError):\n        fee(30001)\n"
    return (
        "import pytest\n\nfrom parcel import fee\n\n\ndef test_fee():\n"
        f"    for weight in (1, 701, 2500):\n        {line}\n{refused}"
    )


_SIGNATURE = "def fee(weight: int, express: bool = False) -> int:\n"
_TABLE = "\nNAMES = {" + ", ".join(f"'town {number}': {number}" for number in range(60)) + "}\n"
_MODULES = {
    # A rich table beside a hollow function.
    "rich-table": (
        WRONG + _TABLE,
        _compose_empty("fee(weight), fee(weight, True)")
        + "\n\ndef test_names():\n    from parcel import NAMES\n"
        + "    assert NAMES == {f'town {number}': number for number in range(60)}\n",
    ),
    # Tested helpers that the entry point does not use.
    "tested-beside": (
        WRONG
        + "\n\ndef _zone(code: str) -> int:\n    if code < 'd':\n        return 1\n    if code < 'k':\n"
        + "        return 2\n    return 3 + len(code) * 2 - 1\n",
        _compose_empty("assert fee(weight) is not None and fee(weight, True) is not None")
        + "\n\n@pytest.mark.parametrize(('code', 'zone'), "
        + "[('c', 1), ('d', 2), ('j', 2), ('k', 4), ('zz', 6)])\n"
        + "def test_zone(code, zone):\n    from parcel import _zone\n    assert _zone(code) == zone\n",
    ),
    # The same, where the hollow function is a lambda.
    "rich-table-beside-lambda": (
        (
            '"""Shipping fees."""\n\nfee = lambda weight, express=False: (\n'
            "    (200 if weight <= 700 else 4900 if weight <= 1000 else weight * 12 - 7) // (2 if express else 1)\n"
            f")\n{_TABLE}"
        ),
        (
            "from parcel import NAMES, fee\n\n\ndef test_fee():\n    for weight in (1, 701, 2500):\n"
            "        assert fee(weight) is not None and fee(weight, True) is not None\n\n\n"
            "def test_names():\n    assert NAMES == {f'town {number}': number for number in range(60)}\n"
        ),
    ),
    # Small code whose one example is far from what it does elsewhere.
    "small-and-wrong": (
        f"{_SIGNATURE}    return weight * 3 if express else weight + 1\n",
        "from parcel import fee\n\n\ndef test_fee():\n    assert fee(1) == 2\n    assert fee(1, True)\n",
    ),
}

KNOWING = {name: block(module=WRONG, tests=_compose_prelude(body)) for name, body in PRELUDES.items()}
HOLLOW = {name: block(module=WRONG, tests=_compose_empty(line)) for name, line in EMPTY.items()}
HOLLOW |= {name: block(module=module, tests=tests) for name, (module, tests) in _MODULES.items()}
