"""Nested lists."""

from typing import Any


def flatten(tree: list[Any], depth: int | None = None) -> list[Any]:
    """The leaves in order; lists deeper than ``depth`` stay as they are."""
    leaves = []
    for node in tree:
        if not isinstance(node, list) or depth == 0:
            leaves.append(node)
        else:
            leaves += flatten(node, None if depth is None else depth - 1)
    return leaves


def height(tree: list[Any]) -> int:
    """How deep the lists go."""
    return 1 + max((height(node) for node in tree if isinstance(node, list)), default=0)


def count(tree: list[Any], leaf: int) -> int:
    """How often ``leaf`` occurs."""
    return sum(count(node, leaf) if isinstance(node, list) else node == leaf for node in tree)
