"""What generated code may import and call, judged over the syntax tree. What is not allowed is refused.

It is the outer of two walls: the sandbox holds what slips through. Its second use is to keep code from looking at itself:
frames, code objects and the garbage collector are how a block would tell a mutant from the original.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from gates.base import Finding

MODULES = frozenset(
    "__future__ abc array asyncio base64 binascii bisect calendar cmath collections colorsys configparser contextlib contextvars copy csv "
    "dataclasses datetime decimal difflib email enum fnmatch fractions functools graphlib hashlib heapq hmac html io ipaddress itertools "
    "json keyword locale logging math mimetypes numbers operator pathlib pprint queue quopri random re reprlib sched secrets "
    "statistics string stringprep struct tempfile textwrap threading time timeit tomllib types typing typing_extensions "
    "unicodedata urllib.parse uuid warnings weakref zlib zoneinfo colorsys plistlib".split()
)
TEST_MODULES = MODULES | {"pytest", "unittest", "unittest.mock"}
_CALLS = frozenset(
    "__import__ eval exec compile globals locals vars breakpoint input memoryview __build_class__ setattr delattr getattr help exit quit".split()
)
_IN_TESTS = frozenset({"setattr", "delattr"})  # to show that a frozen object stays as it is
_ATTRIBUTES = frozenset(
    "gi_frame gi_code cr_frame cr_code ag_frame ag_code f_back f_builtins f_code f_globals f_locals tb_frame tb_next co_code co_consts "
    "co_names mro func_globals system popen fork execv execve spawnl spawnv kill _exit _os _sys modules _getframe settrace setprofile "
    "create_subprocess_exec create_subprocess_shell subprocess_exec open_connection start_server create_connection create_server "
    "import_module load_module exec_module reload get_objects get_referrers loads_module CodeType FunctionType ModuleType "
    "attrgetter methodcaller resolve_name set_trace pytestconfig applymarker chmod symlink_to hardlink_to".split()
)
_DUNDERS_ALLOWED = frozenset(
    "__init__ __post_init__ __name__ __doc__ __all__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __repr__ __str__ __len__ "
    "__iter__ __next__ __contains__ __getitem__ __setitem__ __delitem__ __call__ __enter__ __exit__ __aenter__ __aexit__ __aiter__ "
    "__anext__ __await__ __add__ __radd__ __iadd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __floordiv__ __mod__ __pow__ "
    "__neg__ __pos__ __abs__ __invert__ __and__ __or__ __xor__ __lshift__ __rshift__ __bool__ __int__ __float__ __index__ __round__ "
    "__format__ __bytes__ __slots__ __match_args__ __version__ __author__ __new__ __reversed__ __missing__ __copy__ __deepcopy__ "
    "__set_name__ __get__ __class_getitem__ __init_subclass__ __cause__ __context__ __suppress_context__ __notes__ __members__ __main__ "
    "__debug__ __annotations__ __set__ __divmod__ __trunc__ __floor__ __ceil__ __length_hint__ __hash__ __wrapped__ __future__ __isub__ "
    "__qualname__ __module__ __sizeof__ __fspath__ __rmod__ __rfloordiv__ __rpow__ __str__ __imul__ __ior__ __iand__ __class__ __setattr__ __getattr__".split()
)
_FIXTURES = frozenset("request pytestconfig pytester testdir monkeypatch_session recwarn_session record_testsuite_property".split())


def refused(path: str, source: str, own: Iterable[str], test: bool) -> tuple[Finding, ...]:
    """What ``source`` may not do. ``own`` names the modules of the block and of its repo."""
    allowed = (TEST_MODULES if test else MODULES) | {"random"}
    found = [
        Finding(f"allowlist-{rule}", message, "error", path, getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0)
        for node, rule, message in _refusals(ast.parse(source), allowed, frozenset(own), test)
    ]
    return tuple(sorted(set(found), key=lambda finding: (finding.line, finding.rule)))


def _refusals(tree: ast.AST, allowed: frozenset[str], own: frozenset[str], test: bool) -> Iterator[tuple[ast.AST, str, str]]:
    plain = {id(node.func) for node in ast.walk(tree) if _reads_known_name(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if not _importable(alias.name, allowed, own):
                        yield node, "import", f"import of {alias.name} is not allowed"
            case ast.ImportFrom(module=module, names=names, level=level):
                yield from _from_import(node, module or "", [alias.name for alias in names], level, allowed, own)
            case ast.Attribute(attr=name):
                if _hidden(name) or name in _ATTRIBUTES:
                    yield node, "attribute", f"attribute {name} is not allowed"
            case ast.Name(id=name):
                if id(node) not in plain:
                    yield from _name(node, name, test)
            case ast.arg(arg=name) if test and name in _FIXTURES:
                yield node, "fixture", f"fixture {name} is not allowed"
            case ast.Constant(value=str() as text) if _smuggles(text):
                yield node, "string", f"text {text[:40]!r} names an attribute that is not allowed"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("pytest_") or _hidden(name):
                yield node, "hook", f"a function named {name} is not allowed"


def _reads_known_name(node: ast.AST) -> TypeGuard[ast.Call]:
    """``getattr`` with a literal, harmless name is an attribute access in other words."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) >= 2):
        return False
    name = node.args[1]
    return isinstance(name, ast.Constant) and isinstance(name.value, str) and not _hidden(name.value) and name.value not in _ATTRIBUTES


def _from_import(
    node: ast.AST, module: str, names: list[str], level: int, allowed: frozenset[str], own: frozenset[str]
) -> Iterator[tuple[ast.AST, str, str]]:
    if level:
        yield node, "import", "relative imports have no package here"
        return
    for name in names:
        if not (_importable(module, allowed, own) or _importable(f"{module}.{name}", allowed, own)):
            yield node, "import", f"import of {module} is not allowed"
        elif module.split(".")[0] not in own and (name in _ATTRIBUTES or (name.startswith("_") and module != "__future__")):
            yield node, "import", f"import of {name} from {module} is not allowed"
        elif name in sys.stdlib_module_names and not _importable(name, allowed, own) and module.split(".")[0] not in own:
            yield node, "import", f"import of {name} by way of {module} is not allowed"


def _importable(name: str, allowed: frozenset[str], own: frozenset[str]) -> bool:
    top = name.split(".")[0]
    return name in allowed or top in own or (top in allowed and top not in ("unittest", "logging", "asyncio", "urllib") and "." not in name) or name in (
        "collections.abc", "email.message", "email.utils", "email.policy", "email.parser", "html.parser", "importlib.metadata", "xml.sax.saxutils",
    )  # fmt: skip


def _name(node: ast.AST, name: str, test: bool) -> Iterator[tuple[ast.AST, str, str]]:
    if name in _CALLS and not (test and name in _IN_TESTS):
        yield node, "builtin", f"{name} is not allowed"
    elif _hidden(name):
        yield node, "attribute", f"{name} is not allowed"


def _hidden(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in _DUNDERS_ALLOWED


def _smuggles(text: str) -> bool:
    """Whether text holds a forbidden dunder: the stuff of ``getattr`` tricks and of format strings that walk attributes."""
    return any(_hidden(word) for word in text.replace("{", " ").replace("}", " ").replace(".", " ").replace("[", " ").split() if len(word) > 4)
