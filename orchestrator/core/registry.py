"""One table of implementations by name: lazy, so that nobody pays for the import of a member that is not used.

Providers, gates, stages, sandbox backends and the like are each a module and a line in such a table. A line names its object as
``package.module:attribute``; the module is imported when the member is first asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

Member = TypeVar("Member")


class UnknownMember(LookupError):
    """A name that the registry does not have; the message lists those that it has."""


class Registry(Generic[Member]):
    """Names to objects of one kind, in the order in which they were listed.

    ``kind`` is the word for a member in messages ("gate"). ``plugins``, where given, is asked at each look-up for further
    lines; a plugin may replace a member by using its name.
    """

    def __init__(
        self, kind: str, members: Mapping[str, str], *, plugins: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        self.kind = kind
        self._members = dict(members)
        self._plugins = plugins
        self._loaded: dict[str, Member] = {}

    def paths(self) -> dict[str, str]:
        """Every name and where its object lies, ``package.module:attribute``."""
        if self._plugins is None:
            return dict(self._members)
        return {**self._members, **self._plugins()}

    def names(self) -> tuple[str, ...]:
        """Every name, in order; imports nothing."""
        return tuple(self.paths())

    def get(self, name: str) -> Member:
        """The member ``name``, imported at its first use; raises ``UnknownMember``."""
        path = self.paths().get(name)
        if path is None:
            raise UnknownMember(f"There is no {self.kind} {name!r}; there are: {', '.join(self.names())}.")
        # Keyed by the path, not the name: a plugin that takes over a name must not be answered from before.
        if path not in self._loaded:
            self._loaded[path] = self._load(path)
        return self._loaded[path]

    def _load(self, path: str) -> Member:
        module, _, attribute = path.partition(":")
        member: Member = getattr(import_module(module), attribute)
        return member

    def __contains__(self, name: object) -> bool:
        return name in self.paths()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.paths())

    def items(self) -> Iterator[tuple[str, Member]]:
        """Every name with its member, imported now."""
        return ((name, self.get(name)) for name in self.names())
