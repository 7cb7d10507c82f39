"""The words: a message and how urgent it is."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Message:
    """``urgency`` is ``urgent``, ``normal`` or ``digest``; ``due`` is in UTC."""

    id: str
    to: str
    text: str
    due: datetime
    urgency: str = "normal"
    failures: int = 0
