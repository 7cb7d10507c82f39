"""What the rules yield."""

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A place that is refused: ``rule`` is a word, ``message`` the reason and what to write instead."""

    node: ast.AST
    rule: str
    message: str


@dataclass(frozen=True)
class Use:
    """A place that needs a capability; ``what`` is what needs it."""

    node: ast.AST
    capability: str
    what: str
