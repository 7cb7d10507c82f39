"""One table of implementations by name. It is lazy: a member that is not used is not imported.

Providers, gates, stages, sandbox backends and the like are each a module and a line in such a table. A line
names its object as ``package.module:attribute``; the module is imported when the member is first asked for.

A table is a constant of its module, annotated with what its members are: ``GATES: Registry[Gate] =
Registry("gate", {...})``. ``tests/core/test_registry.py`` finds every such table, imports each member and
compares it with that annotation.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

from orchestrator.core.errors import OrchestratorError

Member = TypeVar("Member")


class UnknownMember(OrchestratorError):
    """A registry was asked for a name that it does not have."""

    code = "registry:unknown-member"


class Registry(Generic[Member]):
    """Names to objects of one kind, in the order in which they were listed.

    ``kind`` is the word for a member in messages ("gate"). ``plugins``, where given, is asked at each look-up
    for further lines; a plugin may replace a member by using its name.
    """

    def __init__(
        self, kind: str, members: Mapping[str, str], *, plugins: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        self.kind = kind
        self._members = dict(members)
        self._plugins = plugins
        self._loaded: dict[str, Member] = {}

    def paths(self) -> dict[str, str]:
        """Every name and where its object is, as ``package.module:attribute``."""
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
            known = ", ".join(self.names()) or "none"
            raise UnknownMember(f"There is no {self.kind} {name!r}.", cure=f"Use one of: {known}.")
        # Keyed by the path, not the name: a plugin that takes over a name must not be answered from before.
        if path not in self._loaded:
            self._loaded[path] = self._load(path)
        return self._loaded[path]

    def _load(self, path: str) -> Member:
        module, _, attribute = path.partition(":")
        member: Member = getattr(import_module(module), attribute)
        return member

    # Asking for a name imports nothing, so `in` is safe at import time.
    def __contains__(self, name: object) -> bool:
        return name in self.paths()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.paths())

    def items(self) -> Iterator[tuple[str, Member]]:
        """Every name with its member, imported now."""
        return ((name, self.get(name)) for name in self.names())
