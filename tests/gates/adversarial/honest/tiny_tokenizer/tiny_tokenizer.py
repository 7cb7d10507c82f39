"""A tokenizer and evaluator for arithmetic."""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    kind: str
    text: str
    position: int


class ParseError(ValueError):
    """Text that is not an expression."""


_TOKENS = [("NUMBER", r"\d+(?:\.\d+)?"), ("OP", r"[-+*/()]"), ("SKIP", r"[ \t]+"), ("BAD", r".")]
_SCANNER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _TOKENS))


def _tokenize(text: str) -> Iterator[Token]:
    for match in _SCANNER.finditer(text):
        kind = match.lastgroup or ""
        if kind == "SKIP":
            continue
        if kind == "BAD":
            raise ParseError(f"unexpected {match.group()!r} at {match.start()}")
        yield Token(kind, match.group(), match.start())


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = [*_tokenize(text), Token("END", "", len(text))]
        self.index = 0

    def _peek(self) -> Token:
        return self.tokens[self.index]

    def _advance(self) -> Token:
        token = self._peek()
        self.index += 1
        return token

    def expression(self) -> float:
        value = self.term()
        while self._peek().text in ("+", "-"):
            if self._advance().text == "+":
                value += self.term()
            else:
                value -= self.term()
        return value

    def term(self) -> float:
        value = self.factor()
        while self._peek().text in ("*", "/"):
            if self._advance().text == "*":
                value *= self.factor()
            else:
                value /= self.factor()
        return value

    def factor(self) -> float:
        token = self._advance()
        if token.kind == "NUMBER":
            return float(token.text)
        if token.text == "-":
            return -self.factor()
        if token.text == "(":
            value = self.expression()
            if self._advance().text != ")":
                raise ParseError("missing )")
            return value
        raise ParseError(f"unexpected {token.text or 'end'!r} at {token.position}")


def evaluate(text: str) -> float:
    """The value of an expression of ``+ - * /``, parentheses and numbers."""
    parser = _Parser(text)
    value = parser.expression()
    if parser._peek().kind != "END":
        raise ParseError(f"unexpected {parser._peek().text!r} at {parser._peek().position}")
    return value
