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
    rb"(?i)[A-Za-z0-9_.-]*(?:password|passwd|passphrase|passwort|kennwort|pwd|senha|wachtwoord|"
    # contraseña, mot de passe, and the words of Russian, Chinese and Japanese.
    rb"contrase(?:\x{f1}|n)a|mot de passe|\x{43f}\x{430}\x{440}\x{43e}\x{43b}\x{44c}|\x{5bc6}\x{7801}|"
    rb"\x{30d1}\x{30b9}\x{30ef}\x{30fc}\x{30c9}|"
    rb"secret|token|credential|identified[ \t]+by(?:[ \t]+password)?|"
    rb"api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|signing[_-]?key|"
    rb"encryption[_-]?key|shared[_-]?key|"
    rb"master[_-]?key|auth[_-]?key|client[_-]?key|session[_-]?(?:id|key)|sessid|_pass\b|"
    rb"(?:cookie|fernet|hmac|unseal|crypt|recovery)[_-]?key|_salt\b|_pw\b|\bpsk\b|masterauth|"
    rb"(?:store|key|require|become|ssh|db|bind|root|user|smtp|mail|ftp|admin)pass\b|"
    rb"\bpass\b|_auth\b)[A-Za-z0-9_-]*"
)
# A name that ends like this is about a secret and does not hold one, unless the value looks drawn at random.
_ABOUT: Final = re.compile(
    rb"(?i)(?:url|uri|name|type|kind|ttl|expiry|expires?|expiration|lifetime|timeout|"
    rb"age|length|len|size|limit|count|"
    rb"hasher|hashers|hash|field|header|path|file|dir|id|policy|pattern|regex|class|"
    rb"prefix|suffix|format|version|"
    rb"algorithm|endpoint|validators?|reset|rotation|manager|store|provider|ref|(?<!s)s)$"
)
_SPACE: Final = rb"(?:[ \t]|\xc2\xa0)"
_CONTINUED: Final = (
    rb"(?:\\\r?\n|\(?[ \t]*\r?\n|[>|][-+]?[ \t]*\r?\n|<<[-~]?[\"']?\w{1,20}[\"']?\r?\n|\()?[ \t]*"
    # What YAML says of a value before it: its type, a name for it.
    rb"(?:(?:!!?[a-z]{1,20}|&\w{1,40})[ \t]+)?"
)
# An annotation is not the value: `key: str = "..."`. Base64 ends with the same sign, and with nothing behind.
_ANNOTATION: Final = rb":[ \t]*[A-Za-z_][\w.\[\], |]{0,60}(?:[ \t]=(?!=)|=(?=[ \t]*[rbfuRBFU]{0,2}[\"'(]))"
_SIGN: Final = (
    rb"(?:" + _ANNOTATION + rb"|:=|=>|<-|[?+|]{1,2}=|={1,3}|!={1,2}|:|\xef\xbc\x9a|%3[AaDd]|&#(?:61|58);)"
)
# What closes the name: quotes, escaped as often as their text was quoted, brackets, marks of Markdown.
_CLOSED: Final = (
    rb"(?:\\{0,7}[\"'`]|%22|&quot;|&#3[49];)?\]?\)?\*{0,3}(?:</\w{1,20}>)?(?:\[\w{0,10}\])?"
    rb"(?:[ \t]As[ \t]\w{1,20})?"
)
_ASSIGNED: Final = re.compile(
    _CLOSED + _SPACE + rb"{0,40}" + _SIGN + rb"\*{0,3}" + _SPACE + rb"{0,40}" + _CONTINUED
)
# SecretStr("..."), String::from("..."), setPassword("..."): the first literal of a call.
_CALLED: Final = re.compile(
    rb"(?:[ \t]{0,4}[:=]{1,2}[ \t]{0,4}(?:\w{1,30}[ \t]{0,4}=[ \t]{0,4})?[A-Za-z_][\w.:]{0,60})?"
    rb"[ \t]{0,4}\((?:[ \t]{0,4}\w{1,30}[ \t]{0,4}=)?[ \t]{0,4}(?=[rbfuRBFU]{0,2}[\"'])"
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
    rb"[\"']?[ \t\r\n]{0,80},?[ \t\r\n]{0,80}[\"']?(?:value|default)[\"']?[ \t]{0,10}[:=][ \t]{0,10}"
    # variable "password" { default = "..." }
    rb"|[\"'][ \t]{0,10}\{[^{}]{0,300}?\bdefault[ \t]{0,20}=[ \t]{0,10}"
    # <input type="password" value="...">
    rb"|[\"'][^<>]{0,200}?[ \t\r\n]value=",
    re.I,
)
# <entry key="password">...<, <property name="password"><value>...<, <key>APIKey</key><string>...<
_WITHIN: Final = re.compile(
    rb"(?:[\"'][^<>]{0,100}>|</\w{1,20}>)[ \t\r\n]{0,40}(?:<\w{1,20}>[ \t\r\n]{0,40})?(?=[^\s<])"
)
_ARGUMENT: Final = re.compile(rb"[\"'][ \t]{0,10},[ \t]{0,10}(?=[rbfuRBFU]?[\"'])")
_SPACED: Final = re.compile(rb"[ \t]{1,20}(?:[0-9][ \t]{1,4})?")
# storePassword "...", PASSWORD '...', and the item of a list that follows --password.
_BEFORE_LITERAL: Final = re.compile(rb"[ \t]{1,20}(?=[\"'])")
_NEXT_ITEM: Final = re.compile(rb"[\"']?,?[ \t]{0,20}\r?\n[ \t]{0,80}-[ \t]{1,20}")
_SPACED_BEFORE: Final = re.compile(
    rb"(?:^|[\r\n;&|(])[ \t]*(?:ENV|ARG|export|set(?:[ \t]+-\w+)?|setx|setenv|declare|"
    rb"(?:machine|default|user|username)[^\r\n]{1,200})[ \t]+$"
    rb"|(?:^|[ \t\"'])--?$",
    re.I,
)

# A line of a configuration: a name, a value and nothing else.
_LINE_BEGINS: Final = re.compile(rb"(?:^|[\r\n])[ \t]{0,40}$")
_LINE_ENDS: Final = re.compile(rb"[ \t]{1,20}[^\s=:]{6,200}[ \t]{0,20}(?:[\r\n]|$)")
_PLAIN: Final = re.compile(rb"(?=[^\d]{0,200}\d)(?=[^A-Za-z]{0,200}[A-Za-z])[\w@!#$^&+=~.:/?*-]+")
_QUOTED: Final = re.compile(rb"[rbfuRBFU]{0,2}(\"\"\"|'''|\\{0,7}[\"'`]|%22|&quot;|&#3[49];)")
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
        (rb"\bConvertTo-SecureString\b", rb"[ \t][\"']([^\s\"']+)"),
        (
            rb"\b(?:echo|printf|cat)\b",
            rb"[ \t]([^\s\"'|]{6,})[\"']?[ \t]*\|[^\r\n]{0,200}--password-stdin",
        ),
        (rb"\bsmbclient\b", rb"[ \t]-U[ \t]+[\"']?[^\s%\"']+%([^\s\"']+)"),
    )
)
# auth=("me", "..."), SetBasicAuth("me", "..."), getConnection(url, "sa", "..."): the literal behind another.
_SIGNED_IN: Final = re2.compile(
    rb"(?i)(?:basic_?auth|\bauth|\blogin|getconnection)[ \t]*=?[ \t]*"
    rb"\([^()\r\n]{0,120}?[\"'][^\"'\r\n]{0,80}[\"'][ \t]*,[ \t]*(?:Some\()?[\"']([^\"'\r\n]{6,100})[\"']"
)
# A line of .pgpass, and the names with their password in a configuration of Docker.
_PGPASS: Final = re2.compile(
    rb"(?m)^[^\s:]{1,100}:(?:\d{4,5}|\*):[^\s:]{1,60}:[^\s:]{1,60}:([^\s:]{6,100})\r?$"
)
_DOCKER_AUTH: Final = re2.compile(rb"\"auth\"[ \t]*:[ \t]*\"([A-Za-z0-9+/]{8,}={0,2})\"")
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
    yield from _find_credentials(data)
    for match in _RANDOM.finditer(data):
        if is_random(match.group(1).decode("ascii")):
            yield Span(*match.span(1))


def _find_credentials(data: bytes) -> Iterator[Span]:
    """Passwords beside the name of an account."""
    for pattern in (_SIGNED_IN, _PGPASS, _DOCKER_AUTH):
        for match in pattern.finditer(data):
            if is_secret_value(match.group(1).decode("utf-8", "replace"), password=True):
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
    for pattern in _WAYS:
        separator = pattern.match(tail)
        if separator is None or not _fits(pattern, before, data, (start, end), is_flag=is_flag):
            continue
        reference_possible = code and pattern is _ASSIGNED and not _in_string(data, start)
        span = _judge(data, end + separator.end(), strong=strong, bare=not reference_possible, name=name)
        # Messages and patterns are written in the same places.
        loose = pattern is _CALLED or pattern is _BEFORE_LITERAL
        if span is not None and loose and not _PLAIN.fullmatch(data, span.start, span.end):
            continue
        if span is not None:
            yield span
            return


_WAYS: Final = (
    *(_ELEMENT, _ARGUMENT, _PAIRED, _WITHIN, _CALLED, _ASSIGNED, _SAID, _IN_TABLE),
    *(_NEXT_ITEM, _BEFORE_LITERAL, _SPACED),
)


def _fits(
    pattern: re.Pattern[bytes], before: bytes, data: bytes, name: tuple[int, int], *, is_flag: bool
) -> bool:
    """Whether what is around the name allows this way of giving it a value."""
    start, end = name
    if pattern is _ELEMENT:
        return before.endswith((b"<", b":")) and b"<" in before[-60:]
    if pattern is _WITHIN:
        return b"<" in before[-60:]
    if pattern is _NEXT_ITEM:
        return is_flag
    if pattern is _IN_TABLE:
        line = data[data.rfind(b"\n", max(0, start - 300), start) + 1 : start]
        return b"|" in line
    if pattern is _SPACED:
        is_line = _LINE_BEGINS.search(before) is not None and _LINE_ENDS.match(data, end) is not None
        return is_flag or is_line or _SPACED_BEFORE.search(before) is not None
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
