"""``.blocks/config.yml``: keys, texts and lists of texts, in YAML.

It comes with a checkout or a clone, so it is hostile. Of YAML only that much is read: an alias can stand for
more than memory holds, a deep text overflows its reader, and a tag or a number has surprises of its own.
"""

from typing import Any, Final

import yaml

from blocks.format.errors import FormatError
from blocks.format.limits import KIB

MOST_BYTES: Final = 64 * KIB
_MOST_DEPTH: Final = 10


class _PlainLoader(yaml.BaseLoader):
    """Every scalar is a text; aliases, depth and keys that come twice are refused."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node, and those below it."""
        if self.check_event(yaml.AliasEvent):
            raise FormatError("holds an alias, which is not taken")
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise FormatError(f"is over {_MOST_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The keys of a node, each of which comes once."""
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise FormatError("holds a key twice")
        return found


def read_config(raw: bytes) -> dict[str, Any]:
    """The keys of a configuration, each with a text, a list or an object; raises ``FormatError``."""
    if len(raw) > MOST_BYTES:
        raise FormatError(f"is over {MOST_BYTES // KIB} KB")
    try:
        found = yaml.load(raw.decode("utf-8"), Loader=_PlainLoader)  # noqa: S506 - it makes texts only
    except (yaml.YAMLError, ValueError) as error:
        raise FormatError("is not YAML in UTF-8") from error
    if found is None or found == "":
        return {}
    if not isinstance(found, dict):
        raise FormatError("is not a list of keys and values")
    return found
