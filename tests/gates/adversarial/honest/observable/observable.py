"""Descriptors that check and record what is assigned."""

from __future__ import annotations

from typing import Any


class Bounded:
    """An integer attribute between two bounds."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return instance._values.get(self.name, self.low)

    def __set__(self, instance: Any, value: int) -> None:
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} must be between {self.low} and {self.high}")
        instance._values[self.name] = value


class Thermostat:
    target = Bounded(5, 30)
    fan = Bounded(0, 3)

    def __init__(self) -> None:
        self._values: dict[str, int] = {}

    def configure(self, target: int, fan: int) -> dict[str, int]:
        """Set both; the settings afterwards."""
        self.target = target
        self.fan = fan
        return {"target": self.target, "fan": self.fan}
