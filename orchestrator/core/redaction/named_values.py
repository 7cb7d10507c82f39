"""Values whose name says that they are secret: ``DB_PASSWORD=...``, ``<password>...``.

A name is found by one pattern over the whole text. What follows it is read by ``_read_value`` within a
bounded piece, in the many ways in which people write down a value; ``secret_values`` then judges whether
the value can be a secret at all, because most values behind such names are not (``TOKEN_URL =
"https://..."``, ``password = get_password(user)``).
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import re2

from orchestrator.core.redaction.secret_values import is_random, is_secret_value
from orchestrator.core.redaction.spans import Span

_NAMES: Final = re2.compile(
    rb"(?i)[A-Za-z0-9_.-]*(?:password|passwd|passphrase|passwort|kennwort|contrase|pwd|"
    rb"secret|token|credential|"
    rb"api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|signing[_-]?key|"
    rb"encryption[_-]?key|shared[_-]?key|"
    rb"master[_-]?key|auth[_-]?key|client[_-]?key|session[_-]?id|sessid|_pass\b|"
    rb"\bpass\b|_auth\b)[A-Za-z0-9_-]*"
)
# A name that ends like this is about a secret and does not hold one, unless the value looks drawn at random.
_ABOUT: Final = re.compile(
    rb"(?i)(?:url|uri|name|type|kind|ttl|expiry|expires?|expiration|lifetime|timeout|"
    rb"age|length|len|size|limit|count|"
    rb"hasher|hashers|hash|field|header|path|file|dir|id|policy|pattern|regex|class|"
    rb"prefix|suffix|format|version|"
    rb"algorithm|endpoint|validators?|reset|rotation|manager|store|provider|ref|s)$"
)
_SPACE: Final = rb"(?:[ \t]|\xc2\xa0)"
_CONTINUED: Final = rb"(?:\\\r?\n|\(?[ \t]*\r?\n|[>|][-+]?[ \t]*\r?\n|\()?[ \t]*"
_SIGN: Final = rb"(?::[ \t]*[A-Za-z_][\w.\[\], |]{0,60}=(?!=)|:=|=>|={1,3}|!={1,2}|:|\xef\xbc\x9a)"
_ASSIGNED: Final = re.compile(
    rb"\\?[\"'`]?\]?\)?" + _SPACE + rb"{0,40}" + _SIGN + _SPACE + rb"{0,40}" + _CONTINUED
)
_SAID: Final = re.compile(
    rb"[\"'`*]{0,3}"
    + _SPACE
    + rb"{1,4}(?:is|was|ist|lautet|war|equals|est|es)"
    + _SPACE
    + rb"{0,2}:?"
    + _SPACE
    + rb"{1,4}"
)
_IN_TABLE: Final = re.compile(rb"[`*\"]{0,2}" + _SPACE + rb"{0,40}\|" + _SPACE + rb"{0,40}")
_ELEMENT: Final = re.compile(rb"(?:\s[^<>]{0,200})?>[ \t\r\n]{0,40}(?:<!\[CDATA\[)?")
# {"name": "DB_PASSWORD", "value": "..."}, in JSON, YAML, HCL and as attributes of XML.
_PAIRED: Final = re.compile(
    rb"[\"']?[ \t\r\n]{0,80},?[ \t\r\n]{0,80}[\"']?(?:value|default)[\"']?[ \t]{0,10}[:=][ \t]{0,10}", re.I
)
_ARGUMENT: Final = re.compile(rb"[\"'][ \t]{0,10},[ \t]{0,10}(?=[rbfuRBFU]?[\"'])")
_SPACED: Final = re.compile(rb"[ \t]{1,20}")
_SPACED_BEFORE: Final = re.compile(
    rb"(?:^|[\r\n;&|(])[ \t]*(?:ENV|ARG|export|set|setx|setenv|declare|(?:machine|user)[^\r\n]{1,200})[ \t]+$"
    rb"|(?:^|[ \t\"'])--?$",
    re.I,
)

_QUOTED: Final = re.compile(rb"[rbfuRBFU]{0,2}(\"\"\"|'''|\\?[\"'`])")
_BETWEEN_LITERALS: Final = re.compile(rb"[ \t]*[+.]?[ \t]*\\?\r?\n?[ \t]*[+.]?[ \t]*(?=[rbfuRBFU]?[\"'])")
_BARE: Final = re.compile(rb"[^\s\"'`<>|;,]{1,4096}")
# The rest of a longer value. It is read only once the beginning is judged a secret: otherwise a line of many
# names in which no value ends would be read to its end for each of them.
_BARE_REST: Final = re.compile(rb"[^\s\"'`<>|;,&]*")
# What is judged of a value. The rest of a longer one goes with it.
_JUDGED: Final = 256
_MOST_LITERALS: Final = 20
_LONGEST_VALUE: Final = 4096
_LONGEST_LINE_BEFORE: Final = 2048

# In these a bare word is a name, not a value.
_CODE: Final = frozenset(
    {
        ".py",
        ".pyi",
        ".js",
        ".jsx",
        ".ts",
        ".tsx",
        ".go",
        ".java",
        ".kt",
        ".rb",
        ".rs",
        ".c",
        ".h",
        ".cc",
        ".cpp",
        ".cs",
        ".php",
    }
    | {".swift", ".scala", ".ipynb", ".lua", ".ex", ".exs", ".vue", ".mjs", ".cjs"}
)

_HEADER: Final = re2.compile(
    rb"(?i)\bauthorization[\"']?[ \t]{0,10}[:=,][ \t]{0,10}[\"']?(?:[a-z]{3,12}[ \t]+)?"
    rb"([A-Za-z0-9._~+/=:-]{8,})"
)
_COOKIES: Final = re2.compile(rb"(?i)\b(?:set-)?cookie[\"']?[ \t]{0,10}[:=][ \t]{0,10}[\"']?([^\r\n\"']+)")
_COOKIE: Final = re.compile(rb"=([^;\s]{8,})")
# Programs that take a password as an argument without saying so in a name that is found above.
_REST: Final = rb"[^\r\n|;&]*?"
_COMMANDS: Final = tuple(
    re2.compile(program + _REST + option)
    for program, option in (
        (
            rb"\b(?:curl|wget|http|https|xh)\b",
            rb"[ \t](?:-u|--user|-a|--auth|--proxy-user|-U)[ \t=]*[\"']?[^\s:\"']+:([^\s\"']+)",
        ),
        (rb"\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b", rb"[ \t]-p[\"']?([^\s\"']{3,})"),
        (rb"\bsshpass\b", rb"[ \t]-p[ \t]*[\"']?([^\s\"']+)"),
        (
            rb"\b(?:docker|podman|buildah|helm|skopeo|az|oc)\b[^\r\n|;&]*?\blogin\b",
            rb"[ \t]-p[ \t=]+[\"']?([^\s\"']+)",
        ),
        (rb"\bredis-cli\b", rb"[ \t](?:-a|--pass)[ \t]+[\"']?([^\s\"']+)"),
        (rb"\bldap(?:search|add|modify|delete)\b", rb"[ \t]-w[ \t]+[\"']?([^\s\"']+)"),
        (rb"\b(?:sqlcmd|bcp)\b", rb"[ \t]-P[ \t]*[\"']?([^\s\"']+)"),
        (rb"\bopenssl\b", rb"\bpass:([^\s\"']+)"),
        (rb"\bhtpasswd\b", rb"[ \t]-[a-zA-Z]*b[a-zA-Z]*[ \t]+\S+[ \t]+\S+[ \t]+[\"']?([^\s\"']+)"),
        (rb"\bsmbclient\b", rb"[ \t]-U[ \t]+[\"']?[^\s%\"']+%([^\s\"']+)"),
    )
)
_RANDOM: Final = re2.compile(rb"[\"'`]([A-Za-z0-9+/_=-]{32,})[\"'`]")


def find_named_values(path: str, data: bytes) -> Iterator[Span]:
    """Yield every value in ``data`` that a name, a header or a command says is secret.

    ``path`` is the file that ``data`` comes from.
    """
    code = PurePosixPath(path).suffix.lower() in _CODE
    reached = 0
    for name in _NAMES.finditer(data):
        # Inside a value that was read already: password = "my-token=..." is one value.
        if name.start() >= reached:
            for span in _read_value(data, name.start(), name.end(), code=code):
                reached = span.end
                yield span
    yield from _find_in_headers(data)
    for command in _COMMANDS:
        for match in command.finditer(data):
            if not match.group(1).startswith((b"$", b"<", b"{", b"%")):
                yield Span(*match.span(1))
    for match in _RANDOM.finditer(data):
        if is_random(match.group(1).decode("ascii")):
            yield Span(*match.span(1))


def _find_in_headers(data: bytes) -> Iterator[Span]:
    for match in _HEADER.finditer(data):
        value = match.group(1).decode("ascii")
        if is_secret_value(value) or (len(value) >= 12 and not value.startswith(("http", "Bearer"))):
            yield Span(*match.span(1))
    for line in _COOKIES.finditer(data):
        for value in _COOKIE.finditer(line.group(1)):
            if is_secret_value(value.group(1).decode("utf-8", "replace")):
                yield Span(line.start(1) + value.start(1), line.start(1) + value.end(1))


def _read_value(data: bytes, start: int, end: int, *, code: bool) -> Iterator[Span]:
    """The value of the name at ``start`` to ``end`` where it has one that can be secret."""
    tail = data[end : end + _LONGEST_VALUE + 512]
    before = data[max(0, start - 300) : start]
    name = data[start:end]
    # --password hunter2: the name matched with its dashes.
    is_flag = name.startswith(b"-") or before.endswith((b" -", b" --"))
    strong = _ABOUT.search(name.rstrip(b"-_.")) is not None
    for pattern in (_ELEMENT, _ARGUMENT, _PAIRED, _ASSIGNED, _SAID, _IN_TABLE, _SPACED):
        separator = pattern.match(tail)
        if separator is None or not _fits(pattern, before, data, start, is_flag=is_flag):
            continue
        reference_possible = code and pattern is _ASSIGNED and not _in_string(data, start)
        span = _judge(data, end + separator.end(), strong=strong, bare=not reference_possible, name=name)
        if span is not None:
            yield span
            return


def _fits(pattern: re.Pattern[bytes], before: bytes, data: bytes, start: int, *, is_flag: bool) -> bool:
    """Whether what is before the name allows this way of giving it a value."""
    if pattern is _ELEMENT:
        return before.endswith((b"<", b":")) and b"<" in before[-60:]
    if pattern is _ARGUMENT or pattern is _PAIRED:
        return True
    if pattern is _IN_TABLE:
        line = data[data.rfind(b"\n", max(0, start - 300), start) + 1 : start]
        return b"|" in line
    if pattern is _SPACED:
        return is_flag or _SPACED_BEFORE.search(before) is not None
    return True


def _in_string(data: bytes, start: int) -> bool:
    """Whether the name begins inside a literal of its line: an odd number of one kind of quotes is before it.

    The quote directly before it does not count: a key of a dictionary is a literal, but its value is code.
    """
    line_start = data.rfind(b"\n", max(0, start - _LONGEST_LINE_BEFORE), start) + 1
    line = data[max(line_start, start - _LONGEST_LINE_BEFORE) : start]
    if line.endswith((b'"', b"'")):
        line = line[:-1]
    return line.count(b'"') % 2 == 1 or line.count(b"'") % 2 == 1


def _judge(data: bytes, start: int, *, strong: bool, bare: bool, name: bytes) -> Span | None:
    """The span of the value that begins at ``start``, if it can be secret."""
    is_cut = False
    if _QUOTED.match(data, start):
        span, value = _read_literals(data, start)
    elif bare:
        match = _BARE.match(data, start)
        if match is None:
            return None
        # ?password=...&next: an address and a form body end a value by an ampersand.
        value, ampersand, _ = match[0].partition(b"&")
        is_cut = not ampersand and len(value) == _LONGEST_VALUE
        value = value.rstrip(b".:)]*" if b"{" in value else b".:)]}*")
        span = Span(start, start + len(value))
    else:
        return None
    text = value[:_JUDGED].decode("utf-8", "replace")
    exact = re.search(rb"(?i)(?:password|passwd|passphrase|passwort|pwd|pass)$", name) is not None
    if strong and not is_random(text, shortest=16):
        return None
    if not is_secret_value(text, password=exact):
        return None
    return Span(start, _end_of_bare(data, start + _LONGEST_VALUE)) if is_cut else span


def _read_literals(data: bytes, start: int) -> tuple[Span, bytes]:
    """Read a literal and those that are joined to it.

    The span goes from behind the first quote to before the last.
    """
    pieces: list[bytes] = []
    first, reached, place, quote = start, start, start, b""
    for number in range(_MOST_LITERALS):
        opening = _QUOTED.match(data, place)
        if opening is None:
            break
        # Code inside a string of JSON: the plain quote behind its own ends the string around it.
        if number and opening[1].startswith(b"\\") != quote.startswith(b"\\"):
            break
        quote = opening[1]
        content_start = opening.end()
        content_end = _end_of_literal(data, content_start, quote)
        if number == 0:
            first = content_start
        pieces.append(data[content_start:content_end])
        reached = content_end
        between = _BETWEEN_LITERALS.match(data, content_end + len(quote))
        if between is None:
            break
        place = between.end()
    return Span(first, reached), b"".join(pieces)


def _end_of_bare(data: bytes, place: int) -> int:
    """Where the value that has no quotes ends, of which ``place`` is a part."""
    rest = _BARE_REST.match(data, place)
    return rest.end() if rest else place


def _end_of_literal(data: bytes, start: int, quote: bytes) -> int:
    """Where the literal that begins at ``start`` ends; the end of its line where nothing closes it."""
    limit = min(len(data), start + _LONGEST_VALUE)
    closing = _find_quote(data, start, limit, quote)
    if closing >= 0:
        return closing
    newline = data.find(b"\n", start, limit)
    if newline >= 0:
        return newline
    # A longer line. The quote is looked for first, and the end of the line only before it: so no two literals
    # with the same quote read the same piece, and the line is read once.
    closing = _find_quote(data, start, len(data), quote)
    end = closing if closing >= 0 else len(data)
    newline = data.find(b"\n", limit, end)
    return newline if newline >= 0 else end


def _find_quote(data: bytes, start: int, end: int, quote: bytes) -> int:
    """Where ``quote`` closes the literal that begins at ``start``; -1 where it does not before ``end``."""
    place = start
    while True:
        found = data.find(quote, place, end)
        # A backslash keeps a plain quote inside its literal.
        escaped = len(quote) == 1 and found > start and data[found - 1 : found] == b"\\"
        if not escaped:
            return found
        place = found + 1
