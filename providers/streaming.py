"""Put the events of a streamed answer together to what the vendor would have answered in one piece.

Usage, price and text are then read from one shape, however the answer came, and what is stored is one
response. Each adapter has the assembly of its vendor.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

from providers.base import Completion, ConnectionCut


class Assembly(ABC):
    """The events so far. ``started``: one has come; ``ended``: the vendor said that it is complete.

    It is made when the request leaves.
    """

    def __init__(self) -> None:
        self.started = False
        self.ended = False
        self._pieces: list[str] = []
        self._thoughts: list[str] = []
        self._sent_at = time.monotonic()
        self._silent_seconds: float | None = None

    @property
    def text(self) -> str:
        """The text of the answer so far."""
        return "".join(self._pieces)

    @property
    def thoughts(self) -> str:
        """What the model thought so far, as far as the vendor shows it."""
        return "".join(self._thoughts)

    @property
    def silent_seconds(self) -> float:
        """How long no text came, from the request on: the most that the model can have thought unseen."""
        if self._silent_seconds is not None:
            return self._silent_seconds
        return time.monotonic() - self._sent_at

    def note_thought(self, text: Any) -> None:
        """Keep a piece of what the model thinks; everything except a text is ignored."""
        if text and isinstance(text, str):
            self._thoughts.append(text)

    def describe(self, answer: Completion) -> Completion:
        """Return ``answer`` with how it came: what the vendor does not count is counted by that."""
        return replace(answer, thoughts=self.thoughts, silent_seconds=self.silent_seconds)

    def take(self, event: Any) -> str:
        """Add one event; return the text that it brought.

        Events that are not known, or not objects, bring nothing: vendors add new ones at any time. Raises
        ``ValueError`` for a known one of another shape than the vendor promises.
        """
        self.started = True
        try:
            text = self._take(event) if isinstance(event, dict) else ""
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"an event of another shape than promised: {type(error).__name__}") from error
        if text:
            if self._silent_seconds is None:
                self._silent_seconds = time.monotonic() - self._sent_at
            self._pieces.append(text)
        return text

    def finish(self, provider: str) -> dict[str, Any]:
        """Return the whole response; raises ``ConnectionCut`` where its end never came.

        Only the vendor's own last event tells the end of an answer from a connection that was closed.
        """
        if not self.ended:
            raise ConnectionCut(provider, "the stream ended before the answer did")
        return self.build_raw()

    @abstractmethod
    def _take(self, event: dict[str, Any]) -> str: ...

    @abstractmethod
    def build_raw(self) -> dict[str, Any]:
        """The response so far, in the shape of an answer that is not streamed."""


def merge_known(older: dict[str, Any], newer: Any) -> dict[str, Any]:
    """Return ``older`` with the fields of ``newer`` that are not null: later events repeat some as null."""
    if not isinstance(newer, dict):
        return older
    return older | {key: value for key, value in newer.items() if value is not None}
