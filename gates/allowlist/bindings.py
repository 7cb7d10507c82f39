"""What the names of a file stand for, as far as its text says: a module, a name of one, a value of a class.

Scopes follow Python's own rules, because a name that is judged in the wrong scope is a way in. What cannot be
told is unknown, and the rules for unknown values apply.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPE = (*_DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LOWER_CASE_CLASSES = frozenset(
    f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")
)
# What these give is a path again.
_GIVES_PATH = frozenset(
    """
    absolute cwd expanduser home joinpath parent relative_to rename replace resolve with_name with_stem
    with_suffix readlink
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Functions that give a value of a class.
_GIVES_VALUE = {
    "asyncio.get_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.get_running_loop": "asyncio.AbstractEventLoop",
    "asyncio.new_event_loop": "asyncio.AbstractEventLoop",
    "xml.etree.ElementTree.parse": "xml.etree.ElementTree.ElementTree",
}
_PATHS = ("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath")
# An annotation of one of these does not say of which class a value is.
_OPEN_TYPES = ("typing.", "typing_extensions.", "collections.abc.", "types.")
# Methods that leave a table as it is.
_READING_METHODS = frozenset({"copy", "count", "get", "index", "items", "keys", "values"})
_MAX_STEPS = 20


@dataclass(frozen=True)
class Reference:
    """Where a value comes from.

    ``path`` is dotted; ``is_value`` says that it is a value of that class, and ``is_declared`` that only an
    annotation says so, which may be wrong.
    """

    path: str
    is_value: bool = False
    is_declared: bool = False


@dataclass
class Scope:
    """The names that one module, class, function or comprehension binds."""

    kind: str
    imports: dict[str, str] = field(default_factory=dict)
    # What each name is set to; an empty list for a parameter or a loop's target.
    values: dict[str, list[ast.expr]] = field(default_factory=dict)
    # Parameters with an annotation.
    annotations: dict[str, ast.expr] = field(default_factory=dict)
    # Names that are also set to something that is not in the text: parameters, targets of loops.
    opaque: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)
    # What pytest hands to a test or a fixture.
    fixtures: frozenset[str] = frozenset()

    def binds(self, name: str) -> bool:
        return name not in self.outside and (name in self.imports or name in self.values)

    def bind(self, name: str, value: ast.expr | None = None) -> None:
        known = self.values.setdefault(name, [])
        if value is None:
            self.opaque.add(name)
        else:
            known.append(value)


def read_scope(node: ast.AST) -> Scope:
    """The scope that ``node`` opens."""
    match node:
        case ast.Module(body=body):
            return _read_statements(Scope("module"), body)
        case ast.ClassDef(body=body):
            return _read_statements(Scope("class"), body)
        case ast.FunctionDef(args=arguments, body=body) | ast.AsyncFunctionDef(args=arguments, body=body):
            return _read_statements(_read_parameters(arguments), body)
        case ast.Lambda(args=arguments, body=result):
            return _read_statements(_read_parameters(arguments), [result])
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            scope = Scope("function")
            for generator in node.generators:
                _bind_target(scope, generator.target, None)
            return scope
    raise TypeError(f"{type(node).__name__} opens no scope")


def _list_names_set_below(node: ast.AST) -> set[str]:
    """Names that functions inside ``node`` set in the scopes around them."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Global | ast.Nonlocal):
            found |= set(inner.names)
    return found


def _read_parameters(arguments: ast.arguments) -> Scope:
    scope = Scope("function")
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for argument in every:
        scope.bind(argument.arg)
        if argument.annotation is not None:
            scope.annotations[argument.arg] = argument.annotation
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            scope.bind(rest.arg)
    return scope


def _read_statements(scope: Scope, body: Iterable[ast.AST]) -> Scope:
    # Names whose value is known, by id: they are met again as parts of their statement.
    known: set[int] = set()
    for node in _walk_scope(body):
        match node:
            case ast.Import() | ast.ImportFrom():
                _bind_imports(scope, node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _bind_target(scope, target, value)
                known |= set(map(id, targets))
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                _bind_typed(scope, target, value)
                known.add(id(target))
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                scope.outside.update(names)
            case _ if id(node) not in known:
                for name in list_bound_names(node):
                    scope.bind(name)
    return scope


def _bind_imports(scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            scope.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif alias.asname:
            scope.imports[alias.asname] = alias.name
        else:
            # `import a.b` binds a.
            first = alias.name.split(".")[0]
            scope.imports[first] = first


def list_bound_names(node: ast.AST) -> Iterator[str]:
    """The names that ``node`` itself sets or deletes; imports and parameters are read elsewhere."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name


def _bind_target(scope: Scope, target: ast.expr, value: ast.expr | None) -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, value)
        return
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.bind(node.id)


def _bind_typed(scope: Scope, target: ast.expr, value: ast.expr | None) -> None:
    if value is None and isinstance(target, ast.Name):
        # `x: int` sets nothing.
        scope.values.setdefault(target.id, [])
    else:
        _bind_target(scope, target, value)


def _walk_scope(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of one scope, not those of the scopes inside it."""
    waiting = list(body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, _OWN_SCOPE):
            # A walrus in a comprehension binds in the scope around it.
            if not isinstance(node, (*_DEFINITIONS, ast.Lambda)):
                waiting += [inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
            continue
        waiting += ast.iter_child_nodes(node)


class Bindings:
    """A stack of scopes, innermost last, and what names and expressions stand for in it."""

    def __init__(self, module: ast.Module) -> None:
        self.scopes = [read_scope(module)]
        # Of all scopes together: a name that is set from another scope is unknown wherever it stands.
        self.set_elsewhere = _list_names_set_below(module)
        self.changed = _list_changed_names(module)

    def resolve(self, node: ast.AST, steps: int = 0) -> Reference | None:
        """What ``node`` stands for; ``None`` where the text does not say."""
        if steps > _MAX_STEPS:
            return None
        match node:
            case ast.Name(id=name):
                return self._resolve_name(name, steps)
            case ast.Attribute(value=base, attr=name):
                found = self.resolve(base, steps + 1)
                return found and _take_attribute(found, name)
            case ast.Call(func=function):
                found = self.resolve(function, steps + 1)
                return found and _call_result(found)
            case ast.BinOp(left=left, op=ast.Div()):
                found = self.resolve(left, steps + 1)
                return found if found and found.path in _PATHS else None
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.resolve(value, steps + 1)
            case ast.IfExp(body=body, orelse=other):
                return self.resolve(body, steps + 1) or self.resolve(other, steps + 1)
            case ast.BoolOp(values=values):
                found_values = [self.resolve(value, steps + 1) for value in values]
                return next((found for found in found_values if found), None)
        return None

    def find_literals(self, node: ast.AST, steps: int = 0) -> list[str] | None:
        """Every text that ``node`` can be; ``None`` where it may be another."""
        if steps > _MAX_STEPS:
            return None
        match node:
            case ast.Constant(value=str() as text):
                return [text]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                parts = [self.find_literals(side, steps + 1) for side in (left, right)]
                return _join_texts(parts)
            case ast.IfExp(body=body, orelse=other):
                either = [self.find_literals(side, steps + 1) for side in (body, other)]
                return None if None in either else [text for texts in either for text in texts or ()]
            case ast.Name(id=name):
                values = self.find_values(name)
                texts = [self.find_literals(value, steps + 1) for value in values]
                unknown = not texts or None in texts
                return None if unknown else [text for found in texts for text in found or ()]
            case ast.Subscript(value=table):
                return self._find_items(table, steps)
        return None

    def find_values(self, name: str) -> list[ast.expr]:
        """Everything that ``name`` may be, as it is written; nothing where it may also be something else."""
        scope = self.find_scope(name)
        if scope is None or name in scope.imports or name in scope.opaque or name in self.set_elsewhere:
            return []
        return scope.values.get(name, [])

    def find_table_entries(self, table: ast.AST) -> list[ast.expr]:
        """The entries of a literal table that is set once and never changed; nothing for any other."""
        if isinstance(table, ast.Name):
            values = self.find_values(table.id)
            if len(values) != 1 or table.id in self.changed:
                return []
            table = values[0]
        match table:
            case ast.Dict(keys=keys, values=entries) if None not in keys:
                return entries
            case ast.List(elts=entries) | ast.Tuple(elts=entries):
                return entries
        return []

    def _find_items(self, table: ast.AST, steps: int) -> list[str] | None:
        texts = [self.find_literals(entry, steps + 1) for entry in self.find_table_entries(table)]
        if not texts or None in texts:
            return None
        return [text for found in texts for text in found or ()]

    def find_scope(self, name: str) -> Scope | None:
        """The scope in which ``name`` is looked up; ``None`` for a builtin."""
        innermost = len(self.scopes) - 1
        for depth in range(innermost, -1, -1):
            scope = self.scopes[depth]
            # Functions do not see the names of a class around them.
            if scope.kind == "class" and depth != innermost:
                continue
            if scope.binds(name):
                # A class body falls back on the names around it until its own are set.
                outer = self._find_import(name, depth) if scope.kind == "class" else None
                return outer or scope
        return None

    def _find_import(self, name: str, below: int) -> Scope | None:
        for scope in reversed(self.scopes[:below]):
            if name in scope.imports:
                return scope
        return None

    def is_builtin(self, name: str) -> bool:
        return hasattr(builtins, name) and self.find_scope(name) is None

    def _resolve_name(self, name: str, steps: int) -> Reference | None:
        scope = self.find_scope(name)
        if scope is None:
            return None
        if name in scope.imports:
            return Reference(scope.imports[name])
        for value in scope.values.get(name, []):
            # `x = x.y` leads back to itself.
            found = self.resolve(value, steps + 1)
            if found:
                return found
        if name in scope.annotations:
            found = self.resolve(scope.annotations[name], steps + 1)
            if found and not found.path.startswith(_OPEN_TYPES):
                return Reference(found.path, is_value=True, is_declared=True)
        return None


def _take_attribute(base: Reference, name: str) -> Reference:
    if base.path in _PATHS and name in _GIVES_PATH and (base.is_value or name in ("cwd", "home")):
        # A method keeps its own path until it is called; `parent` is a path at once.
        return base if name == "parent" else Reference(f"{base.path}.{name}")
    return Reference(f"{base.path}.{name}")


def _list_changed_names(tree: ast.AST) -> frozenset[str]:
    """Names of tables that somebody may add to: by an index, by a method, or because they are handed over."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                if method not in _READING_METHODS:
                    found.add(name)
        if isinstance(node, ast.Call) and not _is_plain_builtin(node.func):
            handed = [*node.args, *(keyword.value for keyword in node.keywords)]
            found |= {each.id for each in handed if isinstance(each, ast.Name)}
    return frozenset(found)


def _is_plain_builtin(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and hasattr(builtins, function.id)


def _call_result(called: Reference) -> Reference | None:
    owner, _, name = called.path.rpartition(".")
    if owner in _PATHS:
        return Reference(owner, is_value=True) if name in _GIVES_PATH else None
    if called.path in _GIVES_VALUE:
        return Reference(_GIVES_VALUE[called.path], is_value=True)
    if name[:1].isupper() or called.path in _LOWER_CASE_CLASSES:
        return Reference(called.path, is_value=True)
    return None


def _join_texts(parts: list[list[str] | None]) -> list[str] | None:
    first, second = parts
    if first is None or second is None or len(first) * len(second) > 64:
        return None
    return [one + other for one in first for other in second]
