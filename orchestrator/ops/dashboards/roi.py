"""What the return on spend assumes: settings, with where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from django.conf import settings


@dataclass(frozen=True, slots=True)
class RoiAssumptions:
    """Hours that people need for what a block does, and what such an hour costs."""

    hours_per_block: Decimal
    hourly_rate_usd: Decimal
    source: str

    @classmethod
    def in_force(cls) -> Self:
        """Those of the settings."""
        return cls(settings.ROI_HOURS_PER_BLOCK, settings.ROI_HOURLY_RATE_USD, settings.ROI_SOURCE)

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Self:
        """Those that ``describe`` has written down, by the names of their settings."""
        return cls(
            # Decimal, as in the settings: what ``describe`` wrote comes back as the same value.
            Decimal(values["ROI_HOURS_PER_BLOCK"]),
            Decimal(values["ROI_HOURLY_RATE_USD"]),
            values["ROI_SOURCE"],
        )

    def describe(self) -> tuple[tuple[str, str, str], ...]:
        """Each setting with words for it and its value."""
        return (
            ("ROI_HOURS_PER_BLOCK", "Hours that a block takes by hand", f"{self.hours_per_block}"),
            ("ROI_HOURLY_RATE_USD", "USD an hour", f"{self.hourly_rate_usd}"),
            ("ROI_SOURCE", "Source", self.source),
        )
