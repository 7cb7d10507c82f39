"""What people are told of an answer while it comes: which part the model writes, and how much there is.

The thread of the call notes each piece. The thread of the stage looks every second or so and writes an event
if there is more to tell. So an answer costs a statement a second at most, and a token costs none.
"""

import re
import time

from orchestrator.flows.generation.parsing.names import describe_file

FIRST_LOOK_SECONDS = 1.0
MOST_SECONDS = 5.0
"""How long the pause between two events grows to: an answer of two minutes leaves 30 of them."""
_GROWTH = 0.1
_FILE = re.compile(r"<<<\s*(?:FILE|EDIT)\b:?\s*([^\s<>]+)", re.IGNORECASE)
_WRITTEN = {
    "context": "describing the repository",
    "plan": "writing the plan",
    "review": "writing the review",
}


class AnswerProgress:
    """An answer that comes. ``note_text`` is for the thread of the call, the rest for that of the stage."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._pieces: list[str] = []
        self._told = ""
        self._started = time.monotonic()
        self._next_look = self._started + FIRST_LOOK_SECONDS

    def note_text(self, piece: str) -> None:
        """Take the next piece of the answer."""
        # Appending is all that happens for each token: joining the text here would be quadratic.
        self._pieces.append(piece)

    def seconds_to_next_look(self) -> float:
        """How long the stage may wait before it looks again."""
        return max(0.0, self._next_look - time.monotonic())

    def take_news(self) -> str:
        """What to tell now; empty before the next look is due, and where nothing has changed."""
        now = time.monotonic()
        if now < self._next_look:
            return ""
        # A long answer changes more slowly to the eye, and its events stay in the database.
        self._next_look = now + min(MOST_SECONDS, FIRST_LOOK_SECONDS + _GROWTH * (now - self._started))
        words = describe_answer(self._kind, "".join(self._pieces))
        if words == self._told:
            return ""
        self._told = words
        return words


def describe_answer(kind: str, text: str) -> str:
    """What the model of a stage of ``kind`` does, by the text that it has written so far.

    ``writing the tests, 140 lines``; ``thinking`` before the first character.
    """
    if not text.strip():
        return "thinking"
    files = list(_FILE.finditer(text))
    if files:
        # The line of the delimiter does not belong to the file.
        lines = text.count("\n", files[-1].end())
        return f"writing {describe_file(files[-1][1])}, {lines} lines"
    return f"{_WRITTEN.get(kind, 'writing')}, {len(text):,} characters"
