"""A wire protocol of the simulator: reads a question, writes an answer or an error."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

MODEL_PREFIX: Final = "simulated-"


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it arrived.

    ``prefixes`` are the marked cache breakpoints: (text up to there, seconds to live).
    """

    model: str
    text: str
    max_tokens: int
    route: str = ""
    stream: bool = False
    counting: bool = False
    prefixes: tuple[tuple[str, float], ...] = ()
    thinks: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedAnswer:
    """One answer. ``stop`` is end, length, refusal or content_filter; tokens are disjoint."""

    number: int
    text: str
    stop: str
    input_tokens: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output_tokens: int
    reasoning_tokens: int

    @property
    def id(self) -> str:
        """Return the answer's id, which says that the answer is simulated."""
        return f"{MODEL_PREFIX}{self.number:08d}"

    def pieces(self) -> list[str]:
        """Return the text in the pieces that a stream sends."""
        return [self.text[start : start + 64] for start in range(0, len(self.text), 64)] or [""]


class RequestRejected(Exception):
    """The request is answered with an error of the vendor's shape. ``code`` is the vendor's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Wire(Protocol):
    """One vendor's protocol over HTTP."""

    name: str

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """Read a request; raises ``RequestRejected``."""
        ...

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """Return the body of a whole answer."""
        ...

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[bytes]:
        """Return the server-sent events of a streamed answer."""
        ...

    def build_count(self, asked: Question, tokens: int, /) -> dict[str, Any]:
        """Return the body of a token count."""
        ...

    def build_error(
        self, status: int, code: str, message: str, retry_after: float | None, /
    ) -> dict[str, Any]:
        """Return the body of an error; ``retry_after`` in seconds where the vendor says it in the body."""
        ...

    def reset_headers(self, seconds: float, /) -> dict[str, str]:
        """Return the headers that say a limit is used up and when it resets."""
        ...


def format_event(data: Any, name: str = "") -> bytes:
    """Format one server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def read_whole_number(body: Mapping[str, Any], name: str, *, low: int = 1) -> int:
    """Read a required whole number of the body; raises ``RequestRejected``."""
    value = body.get(name)
    if not isinstance(value, int) or value < low:
        raise RequestRejected(
            400, "invalid_request_error", f"{name}: a whole number of at least {low} is required"
        )
    return value


def check_key(key: str) -> None:
    """Raise ``RequestRejected`` for a missing or a wrong key; ``invalid`` plays the wrong one."""
    if not key or key == "invalid":
        raise RequestRejected(401, "authentication_error", "invalid API key")
