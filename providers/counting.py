"""Tokens that no vendor reported: counted by the vendor's free counter, else estimated from the text.

The bytes of a request bound its tokens, and are several times as many. A bound is right before a call leaves;
as a bill for a call that was cancelled it would use up a day's quota in two calls.
"""

import json
import re
import threading
from dataclasses import dataclass
from typing import Final

from providers import abort
from providers.base import Adapter, ProviderError, Request, UsageSource

# A vocabulary has words with the space before them, line ends with their indent, short runs of digits and of
# other signs, and pieces of two or three letters of what is rare. Compared with cl100k_base and o200k_base:
# at most a fifth below, and a tenth above, for code, prose, JSON, hex and base64.
_PIECES: Final = re.compile(
    r"[A-Za-z0-9+/=]{40,}|_?[A-Za-z]+|\d+|[^\W\d_]+|\s*\n[^\S\n]*|[^\S\n]+|[^\w\s]+|_+"
)
_CODED: Final = 40
_CODED_LETTERS: Final = 1.45
_WORD_LETTERS: Final = 8
_DIGITS: Final = 3
_RARE_LETTERS: Final = 3
_IDEOGRAPHS: Final = 2
_SIGNS: Final = 3
_FIRST_IDEOGRAPH: Final = "\u2e80"


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The tokens of a request's input. ``source`` is ``COUNTED`` or ``ESTIMATED``."""

    tokens: int
    source: UsageSource

    @property
    def bound(self) -> int:
        """The tokens with room for what a vendor may bill beyond its own count."""
        if self.source is not UsageSource.COUNTED:
            return self.tokens
        # Vendors call their counts estimates, so a fiftieth and a few tokens for the frame are added.
        return self.tokens + self.tokens // 50 + 64


class InputCount:
    """The count of one request, asked for at most once, by whichever thread needs it first."""

    def __init__(self, adapter: Adapter, request: Request) -> None:
        self._adapter, self._request = adapter, request
        self._lock = threading.Lock()
        self._found: TokenCount | None = None

    @property
    def is_known(self) -> bool:
        """Whether the vendor has counted."""
        return self._found is not None

    def read(self) -> TokenCount:
        """Return the vendor's own count, or the estimate where it gives none. It may take a round trip."""
        with self._lock:
            if self._found is None:
                self._found = self._ask()
            return self._found

    def _ask(self) -> TokenCount:
        try:
            # A call that was broken off is counted afterwards, by the thread that was told to break off.
            with abort.ignore_abort():
                return TokenCount(self._adapter.count_tokens(self._request), UsageSource.COUNTED)
        except ProviderError:
            # On the safe side, by as much as the estimate may be too low; but never above the true bound.
            estimate = estimate_input(self._request) * 6 // 5 + 64
            return TokenCount(
                min(estimate, self._adapter.request_bytes(self._request)), UsageSource.ESTIMATED
            )


def estimate_input(request: Request) -> int:
    """Return about how many tokens the input of ``request`` has."""
    schema = "" if request.json_schema is None else json.dumps(request.json_schema)
    return sum(map(estimate_tokens, (request.stable, request.system, request.prompt, schema)))


def estimate_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has, at most its bytes."""
    tokens = sum(map(_count_piece, _PIECES.findall(text)))
    return min(tokens, len(text.encode("utf-8", "surrogatepass")))


def _count_piece(piece: str) -> int:
    last, letters = piece[-1], len(piece)
    if letters >= _CODED and last.isascii() and not last.isspace() and (last.isalnum() or last in "+/="):
        return int(letters / _CODED_LETTERS)
    if last.isspace():
        # A single space belongs to the word after it.
        return 0 if piece == " " else 1
    if last.isascii() and last.isalpha():
        return 1 + (letters - 1) // _WORD_LETTERS
    if last.isdigit():
        return 1 + (letters - 1) // _DIGITS
    if last >= _FIRST_IDEOGRAPH:
        return 1 + (letters - 1) // _IDEOGRAPHS
    return 1 + (letters - 1) // (_RARE_LETTERS if last.isalpha() else _SIGNS)
