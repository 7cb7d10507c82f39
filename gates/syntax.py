"""Python's parser, for one thread at a time.

While it builds a tree, CPython 3.11 counts the depth in a variable that all threads share. When the threads
switch in the middle, and a garbage collection is enough for that, the parser raises ``SystemError: AST
constructor recursion depth mismatch``.
"""

import ast
import threading

_lock = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """As ``ast.parse``. Raises ``SyntaxError``, ``ValueError``, ``RecursionError``, ``MemoryError``."""
    with _lock:
        try:
            return ast.parse(source)
        except SystemError:
            # Code that does not take this lock parses too, for example when a traceback is printed.
            return ast.parse(source)
