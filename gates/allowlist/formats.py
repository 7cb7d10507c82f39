"""``str.format`` reads any attribute that its text names, so the text has to be literal.

``format`` is a word of the domain too: a method of classes of the block, or a field that is compared.
"""

import ast
from collections.abc import Iterator, Mapping

from gates.allowlist import words
from gates.allowlist.bindings import Bindings, Reference
from gates.allowlist.own_classes import OwnClasses
from gates.allowlist.refusals import Refusal

METHODS = ("format", "format_map")
CURE = "use an f-string, or call format on a literal text"
# Classes of the library with a method of that name which reads no attributes that a text names.
_FORMATTERS = ("logging.Formatter", "logging.Handler", "logging.StreamHandler", "logging.NullHandler")
_USED_AS_DATA = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.FormattedValue)


def find_format_refusals(
    node: ast.Attribute,
    base: Reference | None,
    bindings: Bindings,
    classes: OwnClasses,
    around: ast.ClassDef | None,
) -> Iterator[Refusal]:
    """What is wrong with a ``format`` that is called. ``around`` is the class in which it stands."""
    if base is not None and not base.is_declared and base.path in _FORMATTERS:
        return
    if classes.holds_value(node.value):
        return
    on_self = isinstance(node.value, ast.Name) and node.value.id == "self"
    if on_self and around is not None and not classes.is_text(around):
        return
    texts = bindings.find_literals(node.value)
    is_type = isinstance(node.value, ast.Name) and node.value.id == "str"
    if texts is None or is_type:
        message = f"{node.attr} of a text that is not literal may read any attribute; {CURE}"
        yield Refusal(node, "format", message)
        return
    for text in texts:
        for name in words.find_format_attributes(text):
            if words.is_hidden(name) or name.startswith("_") or name in words.INTROSPECTION:
                yield Refusal(node, "format", f"the format reads {name}; hand over the value itself")


def is_used_as_data(node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """Whether an attribute is only looked at: compared, tested, matched, shown or used as a key."""
    parent = parents.get(id(node))
    match parent:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            return test is node
        case ast.Subscript(slice=index):
            return index is node
        case ast.Match(subject=subject):
            return subject is node
    return isinstance(parent, _USED_AS_DATA)
