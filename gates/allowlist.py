"""What generated code may import and call, judged over the syntax tree. What is not allowed is refused.

It is the outer of two walls: the sandbox holds what slips through. Its second use is to keep code from looking at itself:
frames, code objects and the garbage collector are how a block would tell a mutant from the original.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from gates import syntax
from gates.base import Finding

ALLOWED_MODULES = frozenset(
    """
    collections.abc email.message email.parser email.policy email.utils html.parser
    __future__ abc array ast asyncio base64 binascii bisect bz2 calendar cmath codecs collections colorsys
    concurrent.futures configparser contextlib contextvars copy csv dataclasses datetime decimal difflib email enum errno
    fnmatch fractions functools graphlib gzip hashlib heapq hmac html io ipaddress itertools json keyword locale logging
    lzma math mimetypes numbers operator pathlib plistlib pprint queue quopri random re reprlib sched secrets shlex
    statistics string stringprep struct tempfile textwrap threading time tomllib types typing typing_extensions unicodedata
    urllib.parse uuid warnings weakref zlib zoneinfo
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
ALLOWED_TEST_MODULES = ALLOWED_MODULES | {"pytest", "unittest", "unittest.mock"}
_CALLS = frozenset(
    """
    __build_class__ __import__ breakpoint compile delattr eval exec exit getattr globals help input locals memoryview quit
    setattr vars
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_IN_TESTS = frozenset({"setattr", "delattr"})  # to show that a frozen object stays as it is
_ATTRIBUTES = frozenset(
    """
    CodeType ForwardRef FunctionType ModuleType ProcessPoolExecutor _exit _getframe _os _sys ag_code ag_frame applymarker
    attrgetter builtins co_code co_consts co_names cr_code cr_frame create_connection create_server
    create_subprocess_exec create_subprocess_shell ctypes exec_module execv execve f_back f_builtins f_code f_globals
    f_locals fork func_globals gc get_field get_objects get_referrers get_type_hints gi_code gi_frame hardlink_to
    import_module importlib importorskip inspect load_module loads_module marshal methodcaller mock_open_code
    mro multiprocessing open_code open_connection os pickle popen posix pty pytestconfig resolve_name set_trace
    setprofile settrace shutil socket spawnl spawnv start_server subprocess subprocess_exec symlink_to sys tb_frame
    tb_next vformat
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_DUNDERS_ALLOWED = frozenset(
    """
    __abs__ __add__ __aenter__ __aexit__ __aiter__ __all__ __and__ __anext__ __annotations__ __author__ __await__ __bool__
    __bytes__ __call__ __cause__ __ceil__ __class__ __class_getitem__ __contains__ __context__ __copy__ __debug__
    __deepcopy__ __delitem__ __divmod__ __doc__ __enter__ __eq__ __exit__ __float__ __floor__ __floordiv__ __format__
    __fspath__ __future__ __ge__ __get__ __getattr__ __getitem__ __gt__ __hash__ __iadd__ __iand__ __imul__ __index__
    __init__ __init_subclass__ __int__ __invert__ __ior__ __isub__ __iter__ __le__ __len__ __length_hint__ __lshift__ __lt__
    __main__ __match_args__ __members__ __missing__ __mod__ __module__ __mul__ __name__ __ne__ __neg__ __new__ __next__
    __notes__ __or__ __pos__ __post_init__ __pow__ __qualname__ __radd__ __repr__ __reversed__ __rfloordiv__ __rmod__
    __rmul__ __round__ __rpow__ __rshift__ __rsub__ __rtruediv__ __set__ __set_name__ __setattr__ __setitem__ __sizeof__
    __slots__ __str__ __sub__ __suppress_context__ __truediv__ __trunc__ __version__ __wrapped__ __xor__
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_FIXTURES = frozenset(
    [
        "request",
        "pytestconfig",
        "pytester",
        "testdir",
        "monkeypatch_session",
        "recwarn_session",
        "record_testsuite_property",
    ]
)


def find_refusals(path: str, source: str, own: Iterable[str], test: bool) -> tuple[Finding, ...]:
    """What ``source`` may not do. ``own`` names the modules of the block and of its repo."""
    allowed = (ALLOWED_TEST_MODULES if test else ALLOWED_MODULES) | {"random"}
    found = [
        Finding(
            f"allowlist-{rule}",
            message,
            "error",
            path,
            getattr(node, "lineno", 0),
            getattr(node, "end_lineno", 0) or 0,
        )
        for node, rule, message in _walk_refusals(syntax.parse(source), allowed, frozenset(own), test)
    ]
    return tuple(sorted(set(found), key=lambda finding: (finding.line, finding.rule)))


def _walk_refusals(
    tree: ast.AST, allowed: frozenset[str], own: frozenset[str], test: bool
) -> Iterator[tuple[ast.AST, str, str]]:
    plain = {id(node.func) for node in ast.walk(tree) if _reads_known_name(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                foreign = [alias.name for alias in names if not _is_importable(alias.name, allowed, own)]
                yield from ((node, "import", f"import of {name} is not allowed") for name in foreign)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield from _check_from_import(
                    node, module or "", [alias.name for alias in names], level, allowed, own
                )
            case ast.Name(id=name) if id(node) not in plain:
                yield from _check_name(node, name, test)
            case _:
                yield from _check_node(node, own, test)


def _check_node(node: ast.AST, own: frozenset[str], test: bool) -> Iterator[tuple[ast.AST, str, str]]:
    match node:
        case ast.Attribute(attr=name) if _is_hidden(name) or name in _ATTRIBUTES:
            yield node, "attribute", f"attribute {name} is not allowed"
        case ast.arg(arg=name) if test and name in _FIXTURES:
            yield node, "fixture", f"fixture {name} is not allowed"
        case ast.Call() if _patches_others(node, own):
            yield node, "patch", "only names of the block itself may be patched, given as plain text"
        case ast.Constant(value=str() as text) if _names_hidden_attribute(text):
            yield node, "string", f"text {text[:40]!r} names an attribute that is not allowed"
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith(
            "pytest_"
        ) or _is_hidden(name):
            yield node, "hook", f"a function named {name} is not allowed"


def _reads_known_name(node: ast.AST) -> TypeGuard[ast.Call]:
    """``getattr`` with a literal, harmless name is an attribute access in other words."""
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) >= 2
    ):
        return False
    name = node.args[1]
    return (
        isinstance(name, ast.Constant)
        and isinstance(name.value, str)
        and not _is_hidden(name.value)
        and name.value not in _ATTRIBUTES
    )


def _patches_others(node: ast.Call, own: frozenset[str]) -> bool:
    """``patch("os.system")`` imports by name; so does ``monkeypatch.setattr`` where its first argument is text."""
    called = ast.unparse(node.func).split(".")
    target = node.args[0] if node.args else None
    if called[-1] in ("patch", "multiple", "dict") and "patch" in called[-2:]:
        plain = isinstance(target, ast.Constant) and isinstance(target.value, str)
    elif called[-1] in ("setattr", "delattr") and len(called) > 1:
        plain = isinstance(target, ast.Constant) and isinstance(target.value, str)
        if isinstance(target, (ast.Name, ast.Attribute)):
            return False
    else:
        return False
    words = str(target.value).split(".") if plain and isinstance(target, ast.Constant) else [""]
    return words[0] not in own or not _ATTRIBUTES.isdisjoint(words)


def _check_from_import(
    node: ast.AST, module: str, names: list[str], level: int, allowed: frozenset[str], own: frozenset[str]
) -> Iterator[tuple[ast.AST, str, str]]:
    if level:
        yield node, "import", "relative imports have no package here"
        return
    for name in names:
        if not (_is_importable(module, allowed, own) or _is_importable(f"{module}.{name}", allowed, own)):
            yield node, "import", f"import of {module} is not allowed"
        elif module.split(".")[0] not in own and (
            name in _ATTRIBUTES or (name.startswith("_") and module != "__future__")
        ):
            yield node, "import", f"import of {name} from {module} is not allowed"
        elif (
            name in sys.stdlib_module_names
            and not _is_importable(name, allowed, own)
            and module.split(".")[0] not in own
        ):
            yield node, "import", f"import of {name} by way of {module} is not allowed"


def _is_importable(name: str, allowed: frozenset[str], own: frozenset[str]) -> bool:
    return name in allowed or name.split(".")[0] in own


def _check_name(node: ast.AST, name: str, test: bool) -> Iterator[tuple[ast.AST, str, str]]:
    if name in _CALLS and not (test and name in _IN_TESTS):
        yield node, "builtin", f"{name} is not allowed"
    elif _is_hidden(name):
        yield node, "attribute", f"{name} is not allowed"


def _is_hidden(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in _DUNDERS_ALLOWED


def _names_hidden_attribute(text: str) -> bool:
    """Whether text holds a forbidden dunder: the stuff of ``getattr`` tricks and of format strings that walk attributes."""
    return any(
        _is_hidden(word)
        for word in text.replace("{", " ").replace("}", " ").replace(".", " ").replace("[", " ").split()
        if len(word) > 4
    )
