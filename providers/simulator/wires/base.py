"""A wire protocol of the simulator: reads a question, writes an answer or an error."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from providers.simulator.model_facts import ModelFacts

MODEL_PREFIX: Final = "simulated-"


@dataclass(frozen=True, slots=True)
class CachePlan:
    """What the vendor's cache may do for a question.

    ``blocks`` are the parts of the prompt in the order of the cache's key. ``writes`` says after which block
    a prefix is written, and for how many seconds; ``reads`` after which ones a written prefix may be found.
    ``automatic`` is the older kind, which finds the longest known prefix by itself and asks nothing for
    writes. ``scope`` is the rest of the key.
    """

    blocks: tuple[str, ...]
    scope: str
    writes: tuple[tuple[int, float], ...] = ()
    reads: frozenset[int] = frozenset()
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it arrived.

    ``schema`` is what the answer is bound to, ``json_only`` that it is bound to some JSON. ``effort`` is how
    much the model thinks, ``budget`` the most tokens of it where the caller set one.
    """

    model: str
    text: str
    max_tokens: int
    facts: ModelFacts
    cache: CachePlan
    route: str = ""
    stream: bool = False
    counting: bool = False
    schema: Mapping[str, Any] | None = None
    json_only: bool = False
    effort: str = ""
    budget: int | None = None
    usage_in_stream: bool = True

    @property
    def prompt_tokens(self) -> int:
        """Return the tokens of the whole prompt, as this model's tokenizer makes them."""
        return count_bytes(sum(len(block.encode()) for block in self.cache.blocks), self.facts.density)


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

    @property
    def prompt_tokens(self) -> int:
        """Return all tokens of the input, from the cache or not."""
        return self.input_tokens + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def pieces(self) -> list[str]:
        """Return the text in the pieces that a stream sends."""
        return [self.text[start : start + 64] for start in range(0, len(self.text), 64)] or [""]


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Bytes of a stream, and the output tokens that the model makes before it can send them."""

    data: bytes
    tokens: int = 0


class RequestRejected(Exception):
    """The request is answered with an error of the vendor's shape. ``code`` is the vendor's."""

    def __init__(self, status: int, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param


class Wire(Protocol):
    """One vendor's protocol over HTTP."""

    name: str

    def read_question(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Question:
        """Read a request; raises ``RequestRejected``."""
        ...

    def build_answer(self, asked: Question, answer: SimulatedAnswer) -> dict[str, Any]:
        """Return the body of a whole answer."""
        ...

    def stream_answer(self, asked: Question, answer: SimulatedAnswer) -> Iterator[StreamEvent]:
        """Return the server-sent events of a streamed answer."""
        ...

    def stream_error(self, asked: Question, message: str) -> StreamEvent:
        """Return the event of a vendor that fails while it streams."""
        ...

    def build_count(self, asked: Question, tokens: int, /) -> dict[str, Any]:
        """Return the body of a token count."""
        ...

    def build_error(
        self, status: int, code: str, message: str, retry_after: float | None, /, param: str = ""
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


def count_tokens(text: str, density: float = 1.0) -> int:
    """Estimate what a tokenizer counts; never more than the bytes."""
    return count_bytes(len(text.encode()), density)


def count_bytes(size: int, density: float) -> int:
    """Estimate the tokens of a text of ``size`` bytes, four bytes to a token where ``density`` is 1."""
    return min(size, math.ceil(size * density / 4))


def check_key(key: str) -> None:
    """Raise ``RequestRejected`` for a missing or a wrong key; ``invalid`` plays the wrong one."""
    if not key or key == "invalid":
        raise RequestRejected(401, "authentication_error", "invalid API key")


def describe_unplayed(field: str) -> str:
    """Say that a field is the vendor's, and that the simulator does not play it."""
    return f"This is the simulator: it does not play the vendor's field {field!r}."
