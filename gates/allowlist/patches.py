"""What a test may replace: names of the block, given as literal text. A name in a variable is refused.

``patch("os.system")`` imports by name, and so does ``monkeypatch.setattr`` with a text for a target.
"""

import ast
from collections.abc import Iterator

from gates.allowlist import words
from gates.allowlist.bindings import Bindings
from gates.allowlist.refusals import Refusal

_CURE = "patch a name of the block itself, given as plain text"
# The number of arguments below which the first one is a text that is imported.
_SETTERS = {"setattr": 3, "delattr": 2}
# As values they would be called with anything.
PATCHING_METHODS = frozenset(
    {"setattr", "delattr", "setitem", "delitem", "setenv", "delenv", "syspath_prepend"}
)
# monkeypatch's other ways to change the process, and what each would change.
_REFUSED_METHODS = {"syspath_prepend": "the import path"}


def find_patch_refusals(
    node: ast.Call, path: str, own: frozenset[str], bindings: Bindings
) -> Iterator[Refusal]:
    """What is wrong with a call that may replace something; nothing for any other call."""
    if path == "unittest.mock.patch.object":
        yield from _check_attribute_name(node, bindings)
    elif path in ("unittest.mock.patch", "unittest.mock.patch.multiple"):
        yield from _check_target(node, own, bindings)
    elif path == "unittest.mock.patch.dict":
        # A dictionary that the test holds is its own business.
        if not (node.args and isinstance(node.args[0], ast.Dict | ast.Attribute)):
            yield from _check_target(node, own, bindings)
    elif isinstance(node.func, ast.Attribute):
        yield from _check_method(node, node.func.attr, own, bindings)
    elif isinstance(node.func, ast.Name) and node.func.id in _SETTERS and bindings.is_builtin(node.func.id):
        yield from _check_attribute_name(node, bindings)


def _check_method(node: ast.Call, name: str, own: frozenset[str], bindings: Bindings) -> Iterator[Refusal]:
    if name in _REFUSED_METHODS:
        yield Refusal(node, "patch", f"{name} changes {_REFUSED_METHODS[name]}: {_CURE}")
    if name in ("patch", "multiple", "dict") and _stands_on_patch(node.func):
        yield from _check_target(node, own, bindings)
    if name not in _SETTERS:
        return
    given = len(node.args) + sum(keyword.arg in ("name", "value") for keyword in node.keywords)
    if given < _SETTERS[name]:
        yield from _check_target(node, own, bindings)
        return
    target = node.args[0] if node.args else None
    found = bindings.resolve(target) if target is not None else None
    # What the library is for others, a test may not change for the gates.
    if found and not found.is_value and found.path.split(".")[0] not in own:
        yield Refusal(node, "patch", f"{found.path} is not the block's: {_CURE}")
    yield from _check_attribute_name(node, bindings)


def _stands_on_patch(function: ast.expr) -> bool:
    words_of_call = ast.unparse(function).split(".")
    return "patch" in words_of_call[-2:]


def _check_target(node: ast.Call, own: frozenset[str], bindings: Bindings) -> Iterator[Refusal]:
    named = [keyword.value for keyword in node.keywords if keyword.arg in ("target", "in_dict")]
    target = node.args[0] if node.args else next(iter(named), None)
    texts = bindings.find_literals(target) if target is not None else None
    for text in texts or [""]:
        parts = text.split(".")
        if parts[0] not in own or not _are_plain(parts[1:]):
            yield Refusal(node, "patch", f"only names of the block itself may be patched: {_CURE}")


def _check_attribute_name(node: ast.Call, bindings: Bindings) -> Iterator[Refusal]:
    named = [keyword.value for keyword in node.keywords if keyword.arg in ("attribute", "name")]
    name = node.args[1] if len(node.args) > 1 else next(iter(named), None)
    texts = bindings.find_literals(name) if name is not None else None
    if texts is None or not all(_are_plain([text]) for text in texts):
        yield Refusal(node, "patch", f"the attribute is not a plain literal name: {_CURE}")


def _are_plain(names: list[str]) -> bool:
    """Whether none of the names leads into the interpreter or to another module."""
    return not any(
        words.is_hidden(name) or name in words.INTROSPECTION or name in words.MODULE_HOLDERS for name in names
    )
