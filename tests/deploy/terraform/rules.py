"""What a provider refuses beyond its schema: the part ``rules`` of ``schemas/*.json``."""

import re
from collections.abc import Callable, Iterator
from typing import Any

Values = dict[str, Any]


def read_path(values: Any, path: str) -> Iterator[Any]:
    """Every value at ``path``, such as ``rule.default_retention.mode``, through the blocks that repeat."""
    name, _, rest = path.partition(".")
    found = values.get(name) if isinstance(values, dict) else None
    for one in found if rest and isinstance(found, list) else [found]:
        if rest:
            yield from read_path(one, rest)
        elif one is not None:
            yield one


def list_configured(block: Values, values: Values) -> Iterator[str]:
    """The attributes with a value that only the far side gives. Terraform leaves this to the provider."""
    for name, attribute in block.get("attributes", {}).items():
        if attribute.get("computed") and not attribute.get("optional") and values.get(name) is not None:
            yield name
    for name, nested in block.get("block_types", {}).items():
        found = values.get(name)
        for one in found if isinstance(found, list) else []:
            yield from list_configured(nested["block"], one)


def list_refusals(rules: Values, values: Values) -> list[str]:
    """Why the provider does not take these values. A value that is not known yet is not judged."""
    found = []
    for kind, (accepts, text) in _RULES.items():
        for path, wanted in rules.get(kind, {}).items():
            for one in read_path(values, path):
                if isinstance(one, str | int | float) and not accepts(one, wanted):
                    found.append(f"expected {path} to be {text.format(*wanted)}, got {one}")
    for paths in rules.get("conflicting", []):
        present = [path for path in paths if any(True for _ in read_path(values, path))]
        if len(present) > 1:
            found.append(f"{present[0]}: conflicts with {present[1]}")
    return found


_RULES: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "one_of": (lambda value, allowed: value in allowed, "one of {0}, ..."),
    "between": (lambda value, bounds: bool(bounds[0] <= value <= bounds[1]), "in the range ({0} - {1})"),
    "like": (lambda value, patterns: re.search(patterns[0], value) is not None, "like {0}"),
}
