"""The k-th largest of some values, and how many lie above it."""


def find_nth_largest(values: list[int], k: int) -> int:
    """The value at place ``k``, counted from 1. Needs ``k <= len(values)``."""
    return sorted(values, reverse=True)[k - 1]


def count_above(values: list[int], k: int) -> int:
    """How many values are greater than the one at place ``k``."""
    bound = find_nth_largest(values, k)
    return sum(value > bound for value in values)
