"""Merges layers of configuration; later ones win, and ``null`` removes."""

from collections.abc import Mapping
from functools import reduce
from typing import Any


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def merge_layers(layers: list[Mapping[str, Any]]) -> dict[str, Any]:
    """One configuration out of all layers."""
    return reduce(_merge, layers, {})
