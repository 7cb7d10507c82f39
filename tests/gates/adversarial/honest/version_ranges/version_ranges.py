"""Whether a version lies in a range such as ``>=1.2,<2``."""

import operator
import re

_PART = re.compile(r"(<=|>=|<|>|==|!=)(\d+(?:\.\d+){0,2})")
_TESTS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _parse(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def matches_range(version: str, wanted: str) -> bool:
    """Whether every part of the range holds. Raises ``ValueError`` for what is not a range."""
    parts = [_PART.fullmatch(part) for part in wanted.split(",")]
    if None in parts:
        raise ValueError(f"not a range: {wanted}")
    return all(_TESTS[part[1]](_parse(version), _parse(part[2])) for part in parts)
