"""What happens when a module is imported: it may define, and it may not do.

A finished block is imported outside the sandbox, on its users' machines. So everything that runs on import is
found, the functions that are called there included, and every call among it must be one that only computes.
The exceptions each have a reason in the tables below.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gates.allowlist.bindings import Bindings, read_scope
from gates.allowlist.capabilities import call_capabilities, member_capability, method_capability
from gates.allowlist.library import needed_capability
from gates.allowlist.refusals import Refusal

_MOVE = "; a module only defines when it is imported: move this into a function"
# Builtins that act on the world rather than compute.
_ACTING_BUILTINS = frozenset({"print", "input", "open", "breakpoint", "exec", "eval", "exit", "quit"})
# Modules whose functions start something, write something or change the process; the names are exceptions
# that only make a value.
_ACTING_MODULES: dict[str, frozenset[str]] = {
    "asyncio": frozenset({"Lock", "Event", "Queue", "Semaphore"}),
    "concurrent.futures": frozenset(),
    # A logger is found, not used; NullHandler keeps a library silent.
    "logging": frozenset({"getLogger", "NullHandler", "Formatter", "getLevelName"}),
    "threading": frozenset({"Lock", "RLock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "local"}),
    "warnings": frozenset(),
    "decimal": frozenset({"Decimal", "Context", "BasicContext", "DefaultContext", "DecimalTuple"}),
    "locale": frozenset(),
    "csv": frozenset({"reader", "DictReader", "Dialect", "QUOTE_ALL", "Sniffer"}),
    "sys": frozenset({"intern", "getsizeof", "getrecursionlimit"}),
    "sqlite3": frozenset(),
    "weakref": frozenset({"WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "ref"}),
    "contextlib": frozenset(
        {"contextmanager", "asynccontextmanager", "nullcontext", "suppress", "ContextDecorator"}
    ),
}
# Methods that act, on any value.
_ACTING_METHODS = frozenset(
    {"start", "run", "submit", "connect", "execute", "executescript", "acquire", "send"}
)
_FILLING_METHODS = frozenset(
    {"add", "addHandler", "append", "extend", "insert", "register", "setdefault", "sort", "update"}
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_STATEMENTS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Expr,
    ast.If,
    ast.For,
    ast.Try,
    ast.Assert,
    ast.Delete,
    ast.Pass,
)
_DUNDERS_OF_MODULES = frozenset({"__all__", "__version__", "__author__"})
_CALLED_FOR_CLASSES = ("__init_subclass__", "__set_name__", "__class_getitem__", "__mro_entries__")
# Python calls these of a module while somebody imports from it.
_CALLED_FOR_MODULES = ("__getattr__", "__dir__")
# What these are given they keep, and call later.
_STORING_BUILTINS = frozenset(
    {"classmethod", "dict", "frozenset", "list", "property", "set", "staticmethod", "tuple"}
)
_STORING = frozenset(
    {
        "collections.OrderedDict",
        "dataclasses.field",
        "functools.cache",
        "functools.cached_property",
        "functools.lru_cache",
        "functools.partial",
        "functools.singledispatch",
        "functools.wraps",
        "types.MappingProxyType",
    }
)
# Decorators and bases of classes that only hold their fields.
_RECORDS = ("dataclass", "NamedTuple")
_MAKING_METHODS = frozenset({"__init__", "__new__", "__post_init__"})
_PROPERTIES = frozenset({"property", "cached_property"})


def find_actions(
    tree: ast.Module, own: frozenset[str], others: Mapping[str, ast.Module] | None = None
) -> Iterator[Refusal]:
    """What the import of a module would do. ``others`` are the block's other modules, by name."""
    walks: dict[str, _ImportWalk] = {}
    for name, other in (others or {}).items():
        walks[name] = _ImportWalk(other, own, walks)
    walk = _ImportWalk(tree, own, walks)
    walk.read_body(tree.body, top=True)
    for node in tree.body:
        if isinstance(node, _FUNCTIONS) and node.name in _CALLED_FOR_MODULES:
            walk.read_called(node, [node])
    yield from walk.refusals


@dataclass
class _ImportWalk:
    """Follows what runs on import, into the functions and classes of the file that are used there."""

    tree: ast.Module
    own: frozenset[str]
    # Of the block's other modules, by name: what is called in them on import is read there.
    others: "dict[str, _ImportWalk]"
    refusals: list[Refusal] = field(default_factory=list)
    # Function or class, and how many levels of it have been read.
    seen: set[tuple[int, int]] = field(default_factory=set)
    # Values of names that were handed over, by id.
    followed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.bindings = Bindings(self.tree)
        every = list(ast.walk(self.tree))
        self.classes = {node.name: node for node in every if isinstance(node, ast.ClassDef)}
        self.functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in every:
            if isinstance(node, _FUNCTIONS):
                self.functions.setdefault(node.name, []).append(node)
        # Functions whose name is also set otherwise: the text of one does not say what a call does.
        stored = [node.id for node in every if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        self.top_functions = frozenset(node.name for node in self.tree.body if isinstance(node, _FUNCTIONS))
        self.rebound = self.top_functions & set(stored)

    def _refuse(self, node: ast.AST, message: str) -> None:
        self.refusals.append(Refusal(node, "on-import", message + _MOVE))

    def read_body(self, body: Iterable[ast.stmt], top: bool = False) -> None:
        """Statements that run on import: of the module, of a class, or of a function that is called there."""
        for statement in body:
            if _guards_main(statement):
                continue
            if top and not isinstance(statement, _STATEMENTS):
                kind = type(statement).__name__.lower()
                self._refuse(statement, f"a statement of the kind {kind!r} runs on import")
            elif top and isinstance(statement, ast.Expr) and not _is_harmless(statement.value):
                self._read_expression_statement(statement)
            self._read_statement(statement, top)

    def _read_statement(self, statement: ast.stmt, top: bool) -> None:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._read_definition(statement)
            case ast.ClassDef():
                self._read_class(statement)
            case ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal():
                return
            case _:
                if top:
                    self._check_targets(statement)
                for child in ast.iter_child_nodes(statement):
                    self._read_child(child, top)

    def _read_child(self, child: ast.AST, top: bool) -> None:
        match child:
            case ast.stmt():
                self.read_body([child], top)
            case ast.expr():
                self.read_expression(child)
            case ast.ExceptHandler() | ast.match_case() | ast.withitem() | ast.comprehension():
                for inner in ast.iter_child_nodes(child):
                    self._read_child(inner, top)

    def _check_targets(self, statement: ast.stmt) -> None:
        for node in ast.walk(statement):
            if not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                continue
            if isinstance(node, ast.Name) and self._is_foreign_dunder(statement, node.id):
                self._refuse(node, f"{node.id} is set on import")
            if isinstance(node, ast.Attribute):
                found = self.bindings.resolve(node.value)
                # A logger belongs to everybody who asks for it by its name.
                is_shared = isinstance(node.value, ast.Call) or (found and found.path.startswith("logging."))
                if is_shared or (found and not found.is_value):
                    self._refuse(node, f"{ast.unparse(node)[:60]} is changed on import")

    def _is_foreign_dunder(self, statement: ast.stmt, name: str) -> bool:
        """A class may set `__slots__` and the like; a module only tells about itself."""
        is_foreign = _is_dunder(name) and name not in _DUNDERS_OF_MODULES
        return is_foreign and statement in self.tree.body

    def _read_expression_statement(self, statement: ast.Expr) -> None:
        """A call for its effect may fill what the module itself made; `.add`, `.append`, `.update`."""
        call = statement.value
        if not isinstance(call, ast.Call):
            self._refuse(statement, "an expression whose value is not kept runs on import")
            return
        function = call.func
        fills = isinstance(function, ast.Attribute) and function.attr in _FILLING_METHODS
        on_own = isinstance(function, ast.Attribute) and self._stands_on_own(function.value)
        if not (fills and on_own):
            self._refuse(statement, f"{ast.unparse(function)[:60]} is called on import for what it does")

    def _stands_on_own(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name):
                found = self.bindings.resolve(node)
                return self.bindings.scopes[0].binds(name) and (found is None or found.is_value)
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                return self._stands_on_own(value)
            case ast.Call(func=function):
                found = self.bindings.resolve(function)
                return found is not None and found.path == "logging.getLogger"
        return False

    def _read_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        # Annotations are computed when the function is defined, like its defaults.
        every = ast.walk(node.args)
        annotations = [each.annotation for each in every if isinstance(each, ast.arg)]
        for part in [*node.args.defaults, *node.args.kw_defaults, *annotations, node.returns]:
            if part is not None:
                self.read_expression(part)
        for decorator in node.decorator_list:
            self._read_decorator(decorator)

    def _read_decorator(self, decorator: ast.expr) -> None:
        """A decorator is called with what it decorates; one that takes arguments is called twice."""
        is_factory = isinstance(decorator, ast.Call)
        if isinstance(decorator, ast.Call):
            for argument in [*decorator.args, *(keyword.value for keyword in decorator.keywords)]:
                self.read_expression(argument)
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        path = self._path_of(function)
        if path.split(".")[0] in self.others:
            self._read_other(decorator, path, levels=2 if is_factory else 1)
        elif isinstance(function, ast.Name) and function.id in self.functions:
            self.read_called(function, self.functions[function.id], levels=2 if is_factory else 1)
        elif isinstance(function, ast.Attribute) and self._is_accessor(function):
            return
        elif not self._is_foreign(path):
            self._check_called(decorator, function, path)

    def _is_accessor(self, function: ast.Attribute) -> bool:
        """``@total.setter`` and ``@show.register``."""
        return function.attr in ("setter", "deleter", "getter", "register") and isinstance(
            function.value, ast.Name
        )

    def _read_class(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self._read_decorator(decorator)
        for part in [*node.bases, *(keyword.value for keyword in node.keywords)]:
            if not isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
                self.read_expression(part)
            elif (path := self._path_of(part)).split(".")[0] in self.others:
                self._read_other(part, path)
        # Python calls these while a class is made.
        for name in _CALLED_FOR_CLASSES:
            self.read_called(node, self.functions.get(name, []))
        for keyword in node.keywords:
            if isinstance(keyword.value, ast.Name) and keyword.value.id in self.classes:
                self.read_instance(self.classes[keyword.value.id])
        if any(ast.unparse(base).split(".")[-1].endswith(("Enum", "Flag")) for base in node.bases):
            self.read_instance(node)
        self.read_body(node.body, top=True)

    def read_expression(self, expression: ast.expr) -> None:
        """Every call in an expression. A lambda only runs where it is handed over."""
        for node in _walk_running(expression):
            match node:
                case ast.Call():
                    self._check_called(node, node.func, self._path_of(node.func))
                    if not self._stores(node.func):
                        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                            self._read_passed(argument)
                case ast.Await() | ast.Yield() | ast.YieldFrom():
                    self._refuse(node, "this runs on import")

    def _stores(self, function: ast.expr) -> bool:
        """Whether a call only keeps what it is given."""
        if isinstance(function, ast.Name) and self.bindings.is_builtin(function.id):
            return function.id in _STORING_BUILTINS
        if isinstance(function, ast.Name) and function.id in self.classes:
            node = self.classes[function.id]
            made_by = [*node.decorator_list, *node.bases]
            is_record = any(ast.unparse(each).split("(")[0].endswith(_RECORDS) for each in made_by)
            methods = {inner.name for inner in node.body if isinstance(inner, _FUNCTIONS)}
            return is_record and methods.isdisjoint(_MAKING_METHODS)
        return self._path_of(function) in _STORING

    def _read_passed(self, argument: ast.expr) -> None:
        """Functions and classes that are handed over may be called there, inside a list or a call too."""
        for node in _walk_running(argument):
            match node:
                case ast.Lambda(body=body):
                    self.read_expression(body)
                case ast.Attribute():
                    self._read_passed_attribute(node)
                case ast.Name(id=name, ctx=ast.Load()):
                    self._read_passed_name(node, name)

    def _read_passed_name(self, node: ast.Name, name: str) -> None:
        self.read_called(node, self.functions.get(name, []))
        if name in self.classes:
            self.read_instance(self.classes[name])
        if name in _ACTING_BUILTINS and self.bindings.is_builtin(name):
            self._refuse(node, f"{name} is handed over on import")
        # Another name for a function, or a table of some.
        scope = self.bindings.find_scope(name)
        for value in scope.values.get(name, []) if scope else []:
            if id(value) not in self.followed:
                self.followed.add(id(value))
                self._read_passed(value)

    def _read_passed_attribute(self, argument: ast.Attribute) -> None:
        self.read_called(argument, self.functions.get(argument.attr, []))
        path = self._path_of(argument)
        # A module's constant is read all the same, and is none of these.
        if path and not self._is_foreign(path):
            self._check_path(argument, path)

    def _path_of(self, function: ast.expr) -> str:
        found = self.bindings.resolve(function)
        return found.path if found else ""

    def _is_foreign(self, path: str) -> bool:
        return path.split(".")[0] in self.own

    def _check_called(self, node: ast.expr, function: ast.expr, path: str) -> None:
        match function:
            case _ if path and self._is_foreign(path):
                self._check_path(node, path)
            case ast.Name(id=name) if name in self.classes.keys() | self.functions.keys():
                self._check_own(node, name)
            case ast.Name(id=name) if self.bindings.is_builtin(name):
                is_endless = name == "iter" and isinstance(node, ast.Call) and len(node.args) > 1
                if name in _ACTING_BUILTINS or is_endless:
                    self._refuse(node, f"{name} is called on import")
            case _ if path:
                self._check_path(node, path)
            case ast.Attribute(value=base, attr=name):
                # What a class inherits may make a value of it: `fromkeys` for example.
                if isinstance(base, ast.Name) and base.id in self.classes:
                    self.read_instance(self.classes[base.id])
                self._check_method(node, name)
            case ast.Name(id=name):
                self._refuse(node, f"{name} is called on import, and the text does not say what it is")
            case ast.Call() | ast.Subscript():
                # The result of a call that is judged itself, `typing` and `partial` for example.
                self._check_returned(node, function)
            case _:
                self._refuse(node, f"{ast.unparse(function)[:60]} is called on import")

    def _check_own(self, node: ast.expr, name: str) -> None:
        """A function or class of this file is called."""
        if name in self.classes:
            self.read_instance(self.classes[name])
        elif name in self.rebound:
            self._refuse(node, f"{name} is called on import, and is set to more than one function")
        else:
            self.read_called(node, [*self.functions[name], *self._list_registered(name)])
            self._read_wrappers(node, name)

    def _read_wrappers(self, node: ast.AST, name: str) -> None:
        """What decorators of this file have put in place of a function."""
        for function in self.functions[name]:
            for decorator in function.decorator_list:
                is_factory = isinstance(decorator, ast.Call)
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(called, ast.Name) and called.id in self.functions:
                    self.read_called(node, self.functions[called.id], levels=3 if is_factory else 2)

    def _list_registered(self, name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """What ``@name.register`` adds to a function, which then calls it."""
        found = []
        for function in (each for group in self.functions.values() for each in group):
            if any(f"{name}.register" in ast.unparse(each) for each in function.decorator_list):
                found.append(function)
        return found

    def _check_methodcaller(self, node: ast.Call) -> None:
        for text in self.bindings.find_literals(node.args[0]) or [] if node.args else []:
            self._check_method(node, text)

    def _check_returned(self, node: ast.expr, function: ast.expr) -> None:
        inner = function.func if isinstance(function, ast.Call) else None
        if isinstance(inner, ast.Name) and inner.id in self.functions:
            self.read_called(node, self.functions[inner.id], levels=2)
        elif not (inner is not None and self._path_of(inner)):
            self._refuse(node, f"{ast.unparse(function)[:60]} is called on import")

    def _read_other(self, node: ast.AST, path: str, levels: int = 1) -> None:
        """What is called, or inherited from, in another module of the block."""
        module, _, name = path.partition(".")
        other = self.others[module]
        name = name.rpartition(".")[2]
        if name not in other.classes and name not in other.functions:
            self._refuse(node, f"{path} is called on import, and the text does not say what it is")
            return
        known = len(other.refusals)
        if name in other.classes:
            other.read_instance(other.classes[name])
        else:
            other.read_called(node, other.functions[name], levels)
        found, other.refusals[known:] = other.refusals[known:], []
        for refusal in found[:1]:
            line = getattr(refusal.node, "lineno", 0)
            said = refusal.message.removesuffix(_MOVE)
            self._refuse(node, f"{path} is called on import, and in line {line} of {module}.py {said}")

    def _check_path(self, node: ast.expr, path: str) -> None:
        if path.split(".")[0] in self.others:
            self._read_other(node, path)
            return
        if path == "operator.methodcaller" and isinstance(node, ast.Call):
            self._check_methodcaller(node)
        if self._is_foreign(path):
            # Classes of the repo may be made into values; its functions are not called.
            if not path.split(".")[-1][:1].isupper():
                self._refuse(node, f"{path} is called on import")
            return
        module = next((name for name in _ACTING_MODULES if path.startswith(f"{name}.")), None)
        last = path.removeprefix(f"{module}.").split(".")[0] if module else ""
        acts = module is not None and last not in _ACTING_MODULES[module]
        needs = needed_capability(path) or member_capability(path)
        if isinstance(node, ast.Call):
            needs = needs or next(iter(call_capabilities(path, node, self.bindings)), "")
        if acts or needs:
            self._refuse(node, f"{path} is called on import")

    def _check_method(self, node: ast.expr, name: str) -> None:
        if name in self.functions:
            self.read_called(node, self.functions[name])
        elif name in _ACTING_METHODS or method_capability(name):
            self._refuse(node, f"{name} is called on import")

    def read_instance(self, node: ast.ClassDef) -> None:
        """A value of a class of the file is made: what Python calls by itself is judged with it."""
        if (id(node), 0) in self.seen:
            return
        self.seen.add((id(node), 0))
        for inner in node.body:
            if isinstance(inner, _FUNCTIONS) and (_is_called_by_python(inner.name) or _is_property(inner)):
                self.read_called(node, [inner])
            if isinstance(inner, ast.AnnAssign) and isinstance(inner.value, ast.Call):
                self._read_default(inner.value)
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in self.classes:
                self.read_instance(self.classes[base.id])

    def _read_default(self, call: ast.Call) -> None:
        """``field(default_factory=...)`` is called for each value that is made."""
        if self._path_of(call.func) != "dataclasses.field":
            return
        for keyword in call.keywords:
            if keyword.arg == "default_factory":
                self._read_passed(keyword.value)

    def read_called(
        self, node: ast.AST, functions: Iterable[ast.FunctionDef | ast.AsyncFunctionDef], levels: int = 1
    ) -> None:
        for function in functions:
            if (id(function), levels) in self.seen:
                continue
            self.seen.add((id(function), levels))
            self.bindings.scopes.append(read_scope(function))
            self.read_body(function.body)
            # All that it mentions it may call, or return to somebody who does.
            for name in _list_mentions(function.body) & self.top_functions:
                self.read_called(node, self.functions[name])
            if levels > 1:
                returned = [each for each in function.body if isinstance(each, _FUNCTIONS)]
                self.read_called(node, returned, levels - 1)
            self.bindings.scopes.pop()


def _walk_running(expression: ast.expr) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        # The body of a lambda runs where it is handed over, its defaults at once.
        if isinstance(node, ast.Lambda):
            waiting += [default for default in (*node.args.defaults, *node.args.kw_defaults) if default]
        else:
            waiting += ast.iter_child_nodes(node)


def _list_mentions(body: Iterable[ast.stmt]) -> set[str]:
    """Names that the statements read themselves; what functions inside read runs when these are called."""
    found = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        if not isinstance(node, (*_FUNCTIONS, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return found


def _is_harmless(expression: ast.expr) -> bool:
    """A docstring, or the dots of a stub."""
    return isinstance(expression, ast.Constant)


def _guards_main(statement: ast.stmt) -> bool:
    """``if __name__ == "__main__":`` does not run on import."""
    return isinstance(statement, ast.If) and not statement.orelse and is_main_check(statement.test)


def is_main_check(test: ast.expr) -> bool:
    """Whether an expression is ``__name__ == "__main__"``."""
    match test:
        case ast.Compare(
            left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]
        ):
            return True
    return False


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_called_by_python(name: str) -> bool:
    """``__init__`` and the like, an enum's ``_missing_`` and ``_generate_next_value_``, and ``keys``.

    The last is called for ``{**value}``.
    """
    return name == "keys" or (name.startswith("_") and name.endswith("_"))


def _is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(decorator).split(".")[-1] for decorator in function.decorator_list}
    return not _PROPERTIES.isdisjoint(names)
