"""Which parameters of a test file get a fixture of pytest that hands out pytest itself."""

import ast
from collections.abc import Mapping

from gates.allowlist import words
from gates.allowlist.bindings import Bindings, list_bound_names

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def gets_refused_fixture(argument: ast.arg, parents: Mapping[int, ast.AST], module: ast.Module) -> bool:
    """Whether pytest may fill ``argument`` with a fixture that tests may not use.

    A file may have a fixture of its own of that name, give the argument by ``parametrize``, or call the
    function itself. All of them must be plain to see; in doubt the answer is yes.
    """
    name = argument.arg
    if name not in words.REFUSED_FIXTURES:
        return False
    function = parents.get(id(parents.get(id(argument))))
    if isinstance(function, ast.Lambda):
        return False
    if not isinstance(function, _Function):
        return True
    # Names as they are at the top: a class around the function may set them to something else.
    bindings = Bindings(module)
    if _is_parametrized(function, name, module, bindings) or _is_only_called(function, parents, module):
        return False
    own = _find_own_fixture(name, module, bindings)
    # A fixture that takes its own name gets the one that it replaces.
    return own is None or own is function


def _find_own_fixture(name: str, module: ast.Module, bindings: Bindings) -> _Function | None:
    """The function that is the module's only meaning of ``name``, and a fixture of that name."""
    setters = [node for node in ast.walk(module) if name in _list_set_names(node)]
    if len(setters) != 1 or setters[0] not in module.body or not isinstance(setters[0], _Function):
        return None
    function = setters[0]
    if len(function.decorator_list) != 1:
        return None
    decorator = function.decorator_list[0]
    if isinstance(decorator, ast.Call):
        # `name=` would make it a fixture of another name.
        if decorator.args or any(keyword.arg in (None, "name") for keyword in decorator.keywords):
            return None
        decorator = decorator.func
    found = bindings.resolve(decorator)
    return function if found is not None and found.path == "pytest.fixture" else None


def _list_set_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.alias):
        return [node.asname or node.name.split(".")[0]]
    return list(list_bound_names(node))


def _is_parametrized(function: _Function, name: str, module: ast.Module, bindings: Bindings) -> bool:
    """Whether a test at the top has only ``parametrize`` around it, and ``name`` from there."""
    # Code that reaches the marks of a test could take them away again.
    if function not in module.body or _names_attribute("pytestmark", module):
        return False
    given: list[str] = []
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call):
            return False
        found = bindings.resolve(decorator.func)
        # `indirect=` hands the values to fixtures of those names instead.
        if found is None or found.path != "pytest.mark.parametrize" or len(decorator.args) != 2:
            return False
        if any(keyword.arg != "ids" for keyword in decorator.keywords):
            return False
        given += _read_names(decorator.args[0])
    return name in given


def _read_names(names: ast.expr) -> list[str]:
    """The arguments that ``parametrize`` names, in one text or in a list of them."""
    match names:
        case ast.Constant(value=str(text)):
            return [each.strip() for each in text.split(",")]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            values = [each.value for each in items if isinstance(each, ast.Constant)]
            return [value for value in values if isinstance(value, str)]
    return []


def _is_only_called(function: _Function, parents: Mapping[int, ast.AST], module: ast.Module) -> bool:
    """Whether the file calls a function and does nothing else with it, so that it cannot be a fixture."""
    called_by: _Function | ast.ClassDef = function
    holder = parents.get(id(function))
    if isinstance(holder, ast.ClassDef) and function.name == "__init__":
        called_by, holder = holder, parents.get(id(holder))
    is_plain = not function.decorator_list and not called_by.decorator_list
    if not is_plain or not isinstance(holder, ast.Module | ast.ClassDef):
        return False
    # Other methods that Python calls by itself make an object that looks like a function.
    if called_by.name.startswith(("test", "Test", "setup", "teardown", "pytest", "__")):
        return False
    called = {id(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    return all(id(node) in called for node in ast.walk(module) if _reads_name(node, called_by.name))


def _reads_name(node: ast.AST, name: str) -> bool:
    return name in (getattr(node, "attr", None), getattr(node, "id", None))


def _names_attribute(name: str, module: ast.Module) -> bool:
    return any(getattr(node, "attr", None) == name for node in ast.walk(module))
