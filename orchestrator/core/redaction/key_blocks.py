"""Private keys that take several lines: PEM in every wrapping, PGP, PuTTY, JSON Web Keys."""

import re
from collections.abc import Iterator
from typing import Final

import re2

from orchestrator.core.redaction.spans import Span

_BEGIN: Final = re2.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z0-9 ]{0,20}-----")
_END: Final = re2.compile(rb"-----END [A-Z0-9 ]{1,60}-----")
# The longest keys in use (RSA of 16,384 bits) take about 13 KB in PEM; wrapped in code or JSON somewhat more.
_LONGEST_BLOCK: Final = 64 * 1024
# What may follow a BEGIN line that no END line closes: base64, with what quotes or indents it.
_BODY: Final = re2.compile(rb"^(?:[\s\"'+,\\nr>|#*/-]*[A-Za-z0-9+/=:.-]{0,100}[\s\"'+,\\nr;)]*\r?\n?)")
_PUTTY: Final = re2.compile(rb"Private-Lines: (\d{1,4})\r?\n")
_JWK_MEMBER: Final = re2.compile(rb"\"(?:d|p|q|dp|dq|qi|k)\"\s{0,10}:\s{0,10}\"([A-Za-z0-9_-]{16,})\"")
_LINE_BREAK: Final = re.compile(rb"\r\n?|\n")
_MOST_BODY_LINES: Final = 400


def find_key_blocks(data: bytes) -> Iterator[Span]:
    """Every private key in ``data`` that is written as a block, the lines around it included."""
    if b"PRIVATE KEY" in data:
        yield from _find_pem(data)
    if b"Private-Lines:" in data:
        yield from _find_putty(data)
    if b'"kty"' in data:
        for match in _JWK_MEMBER.finditer(data):
            yield Span(*match.span(1))


def _find_putty(data: bytes) -> Iterator[Span]:
    reached = 0
    for match in _PUTTY.finditer(data):
        # A header inside the lines of the one before belongs to them: each line is read once.
        if match.start() >= reached:
            reached = _end_of_lines(data, match.end(), int(match.group(1)))
            yield Span(match.end(), reached)


def _find_pem(data: bytes) -> Iterator[Span]:
    reached = 0
    for begin in _BEGIN.finditer(data):
        if begin.start() < reached:
            continue
        # A second BEGIN before the END: the first is not closed. Looking only that far keeps the
        # search linear.
        following = data.find(b"-----BEGIN ", begin.end(), begin.end() + _LONGEST_BLOCK)
        limit = following if following >= 0 else begin.end() + _LONGEST_BLOCK
        end = _END.search(data[begin.end() : limit])
        reached = begin.end() + end.end() if end else _end_of_body(data, begin.end())
        yield Span(begin.start(), reached)


def _end_of_body(data: bytes, start: int) -> int:
    """Where the base64 that begins at ``start`` ends: the end of its last line."""
    reached = start
    for _ in range(_MOST_BODY_LINES):
        line_end = data.find(b"\n", reached, reached + 400)
        line_end = min(len(data), reached + 400) if line_end < 0 else line_end + 1
        line = data[reached:line_end]
        if not line or not _BODY.fullmatch(line):
            break
        reached = line_end
    return max(start, reached - 1 if data[reached - 1 : reached] == b"\n" else reached)


def _end_of_lines(data: bytes, start: int, lines: int) -> int:
    reached = start
    for _ in range(lines):
        newline = _LINE_BREAK.search(data, reached)
        if newline is None:
            return len(data)
        reached = newline.end()
    return reached - 1
