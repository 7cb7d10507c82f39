"""Feature flags from the environment."""

import os

_TRUE = frozenset({"1", "on", "true", "yes"})


def read_flag(name: str, default: bool) -> bool:
    """Whether ``FEATURE_<NAME>`` is switched on; ``default`` where it is not set."""
    value = os.environ.get(f"FEATURE_{name.upper()}")
    if value is None:
        return default
    return value.strip().lower() in _TRUE
