"""Python's parser, for one thread at a time.

While it builds a tree, CPython 3.11 counts its depth in a place that all threads share. A switch of threads in the middle, for
which a collection of garbage suffices, ends in ``SystemError: AST constructor recursion depth mismatch``.
"""

import ast
import threading

_one = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """``ast.parse``; raises what it raises: ``SyntaxError``, ``ValueError``, ``RecursionError``, ``MemoryError``."""
    with _one:
        try:
            return ast.parse(source)
        except SystemError:  # whoever renders a traceback parses too, and does not ask us
            return ast.parse(source)
