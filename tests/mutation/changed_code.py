"""A mutant as new code of functions that are loaded already.

Everything that has imported such a function, or decorated it, sees the mutant at once. So a process that has
loaded the product and the tests is forked for each mutant, instead of loading everything again.
"""

import gc
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from types import CodeType, FunctionType


@dataclass(frozen=True)
class Change:
    """The code of one function before and after."""

    old: CodeType
    new: CodeType


def find_changes(old: CodeType, new: CodeType) -> list[Change] | None:
    """The outermost functions that differ between two versions of a module.

    ``None`` where code differs that runs on import: a table, a default, the body of a class.
    """
    if (old.co_code, old.co_names) != (new.co_code, new.co_names):
        return None
    changes: list[Change] = []
    for before, after in zip_longest(old.co_consts, new.co_consts):
        if not (isinstance(before, CodeType) and isinstance(after, CodeType)):
            if before != after or type(before) is not type(after):
                return None
        # Only a function has fast locals; what has not is the body of a class.
        elif not before.co_flags & inspect.CO_OPTIMIZED:
            nested = find_changes(before, after)
            if nested is None:
                return None
            changes += nested
        elif before != after:
            changes.append(Change(before, after))
    return changes


def list_functions(path: str) -> list[FunctionType]:
    """The loaded functions whose code is in the file ``path``."""
    return [
        function
        for function in gc.get_objects()
        if type(function) is FunctionType and function.__code__.co_filename == path
    ]


def load_changes(changes: list[Change], functions: Iterable[FunctionType]) -> bool:
    """Let those of ``functions`` run their new code; false where one of them is not found or cannot."""
    by_place: dict[tuple[str, str, int], list[FunctionType]] = {}
    for function in functions:
        by_place.setdefault(_place(function.__code__), []).append(function)
    for change in changes:
        found = by_place.get(_place(change.old), [])
        # Without a change the loaded code must be the one that the file has: else another file was loaded.
        if not found or any(function.__code__ != change.old for function in found):
            return False
        for function in found:
            try:
                function.__code__ = change.new
            except ValueError:  # it closes over other variables
                return False
    return True


def _place(code: CodeType) -> tuple[str, str, int]:
    """The definition of a function: its file, its name and its first line."""
    return code.co_filename, code.co_qualname, code.co_firstlineno
