"""Exporters that register themselves."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Exporter(ABC):
    """Turns rows into text. Subclasses are found by their ``name``."""

    name: ClassVar[str] = ""
    _registry: ClassVar[dict[str, type[Exporter]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name:
            Exporter._registry[cls.name] = cls

    @abstractmethod
    def _dump(self, rows: list[dict[str, int]]) -> str: ...

    @classmethod
    def _create(cls, name: str) -> Exporter:
        try:
            return cls._registry[name]()
        except KeyError:
            raise LookupError(f"no exporter {name!r}; there are {', '.join(sorted(cls._registry))}") from None


class _JsonExporter(Exporter):
    name = "json"

    def _dump(self, rows: list[dict[str, int]]) -> str:
        return json.dumps(rows, sort_keys=True)


class _TextExporter(Exporter):
    name = "text"

    def _dump(self, rows: list[dict[str, int]]) -> str:
        return "\n".join(" ".join(f"{key}={value}" for key, value in sorted(row.items())) for row in rows)


def export(name: str, rows: list[dict[str, int]]) -> str:
    """``rows`` in the format ``name``."""
    return Exporter._create(name)._dump(rows)
