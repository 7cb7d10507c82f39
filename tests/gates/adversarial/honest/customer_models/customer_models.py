"""Customers and their addresses, with validation."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar


class ValidationError(ValueError):
    """Input that is no customer. ``errors`` maps a field to what is wrong with it."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in sorted(errors.items())))
        self.errors = errors


@dataclass(frozen=True)
class Address:
    street: str
    city: str
    postcode: str


@dataclass(frozen=True)
class Customer:
    _EMAIL: ClassVar[re.Pattern[str]] = re.compile(r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$")

    name: str
    email: str
    tags: tuple[str, ...] = ()
    address: Address | None = None
    active: bool = field(default=True, compare=False)

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Customer:
        errors = {}
        name = str(data.get("name", "")).strip()
        if not name:
            errors["name"] = "is missing"
        email = str(data.get("email", "")).lower()
        if not cls._EMAIL.match(email):
            errors["email"] = "is not an address"
        if errors:
            raise ValidationError(errors)
        address = Address(**data["address"]) if data.get("address") else None
        return cls(name, email, tuple(sorted(set(data.get("tags", [])))), address)


def normalise(data: dict[str, Any]) -> dict[str, Any]:
    """A customer as it is stored."""
    return asdict(Customer._from_dict(data))


def deactivate(data: dict[str, Any]) -> dict[str, Any]:
    """The same customer, switched off and without an address."""
    return asdict(replace(Customer._from_dict(data), active=False, address=None))
