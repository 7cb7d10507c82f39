"""What a store's set-up lacks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """``serious``: evidence would not be safe, nothing is sealed. ``id`` is stable: ``evidence.E001``."""

    id: str
    message: str
    cure: str
    serious: bool
