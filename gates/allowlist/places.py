"""Paths that are given to what opens files: they stay in the folder of the block."""

import ast
import re

from gates.allowlist.bindings import Bindings
from gates.allowlist.queries import find_openings

_JOINERS = ("os.path.join", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePath", "pathlib.PurePosixPath")
# A root, a home, a drive, or the way up.
_LEADS_OUT = re.compile(
    r"/|~|[A-Za-z]:[\\/]|\.\.(?:/|\\|$)|[^/]+/(?:[^/]+/)*\.\.(?:/|$)|\$\{?HOME|%USERPROFILE%"
)
# Nothing is read from it, and nothing kept in it.
_NOWHERE = "/dev/null"


def leads_out(node: ast.expr, bindings: Bindings) -> str:
    """The beginning of a path that is written in the text and leaves the folder; empty for any other."""
    for text in _find_beginnings(node, bindings):
        if text != _NOWHERE and _LEADS_OUT.match(text):
            return text
    return ""


def _find_beginnings(node: ast.expr, bindings: Bindings) -> list[str]:
    match node:
        case ast.Call(func=function, args=[_, *_] as parts):
            found = bindings.resolve(function)
            if found is not None and found.path in _JOINERS:
                # A part that begins with a root replaces what is before it.
                return [text for part in parts for text in _find_beginnings(part, bindings)]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return [*_find_beginnings(left, bindings), *_find_beginnings(right, bindings)]
    return find_openings(node, bindings) or []
