"""Data contracts: the columns agreed with a supplier, as TOML."""

import tomllib
from dataclasses import dataclass

from pipelines.types import TYPES


@dataclass(frozen=True)
class Column:
    """One agreed column."""

    name: str
    type: str
    nullable: bool = False


def read_contract(text: str) -> tuple[Column, ...]:
    """Columns in their order. Raises ``ValueError`` for a type that we do not know."""
    columns = tuple(Column(**row) for row in tomllib.loads(text)["columns"])
    for column in columns:
        if column.type not in TYPES:
            raise ValueError(f"column {column.name!r} has the unknown type {column.type!r}")
    return columns
