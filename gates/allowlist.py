"""What generated code may import and call, judged from the syntax tree. What is not allowed is refused.

This is the outer of two walls: the sandbox holds what slips through. It also keeps code from looking at
itself: frames, code objects and the garbage collector are how a block would tell a mutant from the original.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from gates import syntax
from gates.base import Finding

ALLOWED_MODULES = frozenset(
    """
    collections.abc email.message email.parser email.policy email.utils html.parser __future__ abc array ast
    asyncio base64 binascii bisect bz2 calendar cmath codecs collections colorsys concurrent.futures
    configparser contextlib contextvars copy csv dataclasses datetime decimal difflib email enum errno
    fnmatch fractions functools graphlib gzip hashlib heapq hmac html io ipaddress itertools json keyword
    locale logging lzma math mimetypes numbers operator pathlib plistlib pprint queue quopri random re
    reprlib sched secrets shlex statistics string stringprep struct tempfile textwrap threading time tomllib
    types typing typing_extensions unicodedata urllib.parse uuid warnings weakref zlib zoneinfo
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
ALLOWED_TEST_MODULES = ALLOWED_MODULES | {"pytest", "unittest", "unittest.mock"}
# Builtins that reach code, names or attributes that the syntax tree does not show.
_REFUSED_BUILTINS = frozenset(
    """
    __build_class__ __import__ breakpoint compile delattr eval exec exit getattr globals help input locals
    memoryview quit setattr vars
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Tests may try to change a frozen object.
_CALLS_IN_TESTS = frozenset({"setattr", "delattr"})
# Everything that leads to the interpreter, the system or another process, by attribute or by import from a
# module.
_REFUSED_ATTRIBUTES = frozenset(
    """
    CodeType ForwardRef FunctionType ModuleType ProcessPoolExecutor _exit _getframe _os _sys ag_code
    ag_frame applymarker attrgetter builtins co_code co_consts co_names cr_code cr_frame create_connection
    create_server create_subprocess_exec create_subprocess_shell ctypes exec_module execv execve f_back
    f_builtins f_code f_globals f_locals fork func_globals gc get_field get_objects get_referrers
    get_type_hints gi_code gi_frame hardlink_to import_module importlib importorskip inspect load_module
    loads_module marshal methodcaller mock_open_code mro multiprocessing open_code open_connection os pickle
    popen posix pty pytestconfig resolve_name set_trace setprofile settrace shutil socket spawnl spawnv
    start_server subprocess subprocess_exec symlink_to sys tb_frame tb_next vformat
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Every other name between double underscores is refused.
_ALLOWED_DUNDERS = frozenset(
    """
    __abs__ __add__ __aenter__ __aexit__ __aiter__ __all__ __and__ __anext__ __annotations__ __author__
    __await__ __bool__ __bytes__ __call__ __cause__ __ceil__ __class__ __class_getitem__ __contains__
    __context__ __copy__ __debug__ __deepcopy__ __delitem__ __divmod__ __doc__ __enter__ __eq__ __exit__
    __float__ __floor__ __floordiv__ __format__ __fspath__ __future__ __ge__ __get__ __getattr__ __getitem__
    __gt__ __hash__ __iadd__ __iand__ __imul__ __index__ __init__ __init_subclass__ __int__ __invert__
    __ior__ __isub__ __iter__ __le__ __len__ __length_hint__ __lshift__ __lt__ __main__ __match_args__
    __members__ __missing__ __mod__ __module__ __mul__ __name__ __ne__ __neg__ __new__ __next__ __notes__
    __or__ __pos__ __post_init__ __pow__ __qualname__ __radd__ __repr__ __reversed__ __rfloordiv__ __rmod__
    __rmul__ __round__ __rpow__ __rshift__ __rsub__ __rtruediv__ __set__ __set_name__ __setattr__
    __setitem__ __sizeof__ __slots__ __str__ __sub__ __suppress_context__ __truediv__ __trunc__ __version__
    __wrapped__ __xor__
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Fixtures that hand a test pytest's own objects.
_REFUSED_FIXTURES = frozenset(
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


_PATCH_FUNCTIONS = ("patch", "multiple", "dict")
_SETATTR_METHODS = ("setattr", "delattr")
_Refusal = tuple[ast.AST, str, str]


def find_refusals(path: str, source: str, own: Iterable[str], is_test: bool) -> tuple[Finding, ...]:
    """What ``source`` does and may not do. ``own`` names the modules of the block and of its repo."""
    modules = (ALLOWED_TEST_MODULES if is_test else ALLOWED_MODULES) | {"random"}
    rules = _Rules(modules, frozenset(own), is_test)
    found = {
        Finding(
            rule=f"allowlist-{rule}",
            message=message,
            path=path,
            line=getattr(node, "lineno", 0),
            end_line=getattr(node, "end_lineno", 0) or 0,
        )
        for node, rule, message in rules.find_refusals(syntax.parse(source))
    }
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.rule)))


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules for one file; each method yields node, rule and message of what it refuses."""

    modules: frozenset[str]
    own: frozenset[str]
    is_test: bool

    def find_refusals(self, tree: ast.AST) -> Iterator[_Refusal]:
        # The name `getattr` inside a harmless call is met again as a node of its own: leave that one alone.
        harmless_names = {id(node.func) for node in ast.walk(tree) if _reads_known_attribute(node)}
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        if not self._is_importable(alias.name):
                            yield node, "import", f"import of {alias.name} is not allowed"
                case ast.ImportFrom():
                    yield from self._check_from_import(node)
                case ast.Name(id=name):
                    if id(node) not in harmless_names:
                        yield from self._check_name(node, name)
                case _:
                    yield from self._check_node(node)

    def _is_importable(self, name: str) -> bool:
        return name in self.modules or self._is_own(name)

    def _is_own(self, name: str) -> bool:
        return name.split(".")[0] in self.own

    def _check_from_import(self, node: ast.ImportFrom) -> Iterator[_Refusal]:
        if node.level:
            yield node, "import", "relative imports have no package here"
            return
        module = node.module or ""
        for alias in node.names:
            message = self._refuse_imported_name(module, alias.name)
            if message:
                yield node, "import", message

    def _refuse_imported_name(self, module: str, name: str) -> str:
        """Why ``from module import name`` is refused; empty where it is not."""
        if not (self._is_importable(module) or self._is_importable(f"{module}.{name}")):
            return f"import of {module} is not allowed"
        if self._is_own(module):
            return ""
        is_private = name.startswith("_") and module != "__future__"
        if name in _REFUSED_ATTRIBUTES or is_private:
            return f"import of {name} from {module} is not allowed"
        # `from logging import os`: modules are attributes of the modules that import them.
        if name in sys.stdlib_module_names and not self._is_importable(name):
            return f"import of {name} by way of {module} is not allowed"
        return ""

    def _check_name(self, node: ast.AST, name: str) -> Iterator[_Refusal]:
        allowed_here = self.is_test and name in _CALLS_IN_TESTS
        if name in _REFUSED_BUILTINS and not allowed_here:
            yield node, "builtin", f"{name} is not allowed"
        elif _is_hidden(name):
            yield node, "attribute", f"{name} is not allowed"

    def _check_node(self, node: ast.AST) -> Iterator[_Refusal]:
        match node:
            case ast.Attribute(attr=name) if _is_hidden(name) or name in _REFUSED_ATTRIBUTES:
                yield node, "attribute", f"attribute {name} is not allowed"
            case ast.arg(arg=name) if self.is_test and name in _REFUSED_FIXTURES:
                yield node, "fixture", f"fixture {name} is not allowed"
            case ast.Call() if self._patches_others(node):
                yield node, "patch", "only names of the block itself may be patched, given as plain text"
            case ast.Constant(value=str() as text) if _names_hidden_attribute(text):
                yield node, "string", f"text {text[:40]!r} names an attribute that is not allowed"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                # pytest would call a function of such a name as a hook.
                if name.startswith("pytest_") or _is_hidden(name):
                    yield node, "hook", f"a function named {name} is not allowed"

    def _patches_others(self, node: ast.Call) -> bool:
        """Whether a call replaces something outside the block.

        ``patch("os.system")`` imports by name; so does ``monkeypatch.setattr`` where its first argument is
        text.
        """
        called = ast.unparse(node.func).split(".")
        target = node.args[0] if node.args else None
        is_patch = called[-1] in _PATCH_FUNCTIONS and "patch" in called[-2:]
        is_setattr = called[-1] in _SETATTR_METHODS and len(called) > 1
        # monkeypatch.setattr(module, "name", ...): the module was imported, and that was judged.
        if is_setattr and isinstance(target, (ast.Name, ast.Attribute)):
            return False
        if not (is_patch or is_setattr):
            return False
        words = [""]
        if isinstance(target, ast.Constant) and isinstance(target.value, str):
            words = target.value.split(".")
        return words[0] not in self.own or not _REFUSED_ATTRIBUTES.isdisjoint(words)


def _reads_known_attribute(node: ast.AST) -> TypeGuard[ast.Call]:
    """``getattr`` with a literal, harmless name is an attribute access in other words."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    if node.func.id != "getattr" or len(node.args) < 2:
        return False
    name = node.args[1]
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return False
    return not _is_hidden(name.value) and name.value not in _REFUSED_ATTRIBUTES


def _is_hidden(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in _ALLOWED_DUNDERS


def _names_hidden_attribute(text: str) -> bool:
    """Whether text holds a refused dunder.

    Tricks with ``getattr`` need such a text, and so do format strings that walk attributes.
    """
    words = text.translate(_SEPARATORS_TO_BLANKS).split()
    return any(_is_hidden(word) for word in words if len(word) > 4)


_SEPARATORS_TO_BLANKS = str.maketrans("{}.[", "    ")
