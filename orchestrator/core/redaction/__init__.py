"""Find and replace secrets before text leaves for a provider, a log, a store or a page.

Four kinds of rules find them, each in a module: values of a known format (``key_formats``), key material
in blocks (``key_blocks``), and values that are given to something whose name says that they are secret
(``named_values``), in a table by the name of a column (``columns``).

The sender of a text chooses it, so no rule may take longer than linear time: patterns that run over a whole
text are compiled by RE2, which guarantees it, and everything else looks at a bounded piece behind a match.
"""

import hashlib
from functools import cache
from pathlib import Path

from orchestrator.core.redaction.columns import find_columns
from orchestrator.core.redaction.key_blocks import find_key_blocks
from orchestrator.core.redaction.key_formats import find_known_formats
from orchestrator.core.redaction.named_values import find_named_values
from orchestrator.core.redaction.spans import Span, merge_spans

__all__ = ["MARK", "digest_rules", "redact_file", "redact_text"]

MARK = "[REDACTED]"


def redact_file(path: str, text: str) -> tuple[str, int]:
    """Return ``text`` with each secret as ``[REDACTED]``, and how many secrets it had.

    ``path`` is the file that the text comes from.

    The path matters where a rule depends on the language: a bare word after ``=`` is a value in a shell
    script and a variable in Python.
    """
    data = text.encode("utf-8", "surrogatepass")
    return _replace_spans(data, _find_secrets(path, data))


def redact_text(text: str, written: str = "") -> tuple[str, int]:
    """As ``redact_file``, for a feature request or the findings of gates.

    A value that is in ``written`` stays as it is: what a model wrote itself tells it nothing new, and it has
    to recognise it.
    """
    data = text.encode("utf-8", "surrogatepass")
    spans = _find_secrets("request.md", data)
    if written:
        known = written.encode("utf-8", "surrogatepass")
        spans = [span for span in spans if data[span.start : span.end] not in known]
    return _replace_spans(data, spans)


@cache
def digest_rules() -> str:
    """A digest of the rules: a text that was redacted by others may still hold a secret that these know."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()


def _find_secrets(path: str, data: bytes) -> list[Span]:
    found = [
        *find_key_blocks(data),
        *find_known_formats(data),
        *find_named_values(path, data),
        *find_columns(path, data),
    ]
    return merge_spans(span for span in found if data[span.start : span.end] != MARK.encode())


def _replace_spans(data: bytes, spans: list[Span]) -> tuple[str, int]:
    pieces, reached = [], 0
    for span in spans:
        pieces += [data[reached : span.start], MARK.encode()]
        reached = span.end
    pieces.append(data[reached:])
    return b"".join(pieces).decode("utf-8", "surrogatepass"), len(spans)
