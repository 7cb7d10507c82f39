"""Patterns of contracts mean what ``re`` says, and cost what their text is long."""

import random
import re
import time
from typing import Any

import pytest

from gates.harness.json_schema import find_unusable_patterns, make_validator
from gates.harness.patterns import LinearPattern

PATTERNS = (
    "^(a+)+$", "(a|a)*b", "^[a-z]+(-[a-z]+)*$", r"^\d{4}-\d{2}$", "a|bc|", "^$", "x*", "^(a|b){2,4}c?$",
    r"\bfoo\b", "(?i)^AbC$", "[^a-c]+$", r"^\w+@\w+\.\w{2,}$", "a{0,3}b{2}", "(ab|a)(bc|c)?$", ".", "^.$",
    r"\Aab\Z", "a+?b", "(?:a(?:b(?:c)*)*)*d", "^(<i>[a-z ]{0,5}</i>){0,4}$", "\u00e9", r"^[\s\S]*$", r"\D\S\W",
)  # fmt: skip
EXPONENTIAL = ("^(a+)+$", "^(a|a)*$", "^(a*)*$", "^(a|aa)+$", "(a|b|ab)*c$", "^((a+)(b+)?)+$")
UNREAD = {
    "(?=a)b": "assert is not read",
    r"(a)\1": "groupref is not read",
    "(?<!x)y": "assert_not is not read",
    "(((((a*)*)*)*)*)*": "more than 4 repeats inside each other",
    "(a{0,1000}){0,1000}": "it repeats too much",
}


@pytest.mark.parametrize("text", PATTERNS)
def test_a_pattern_means_what_it_means_in_python(text: str) -> None:
    draw = random.Random(text)
    linear, usual = LinearPattern(text), re.compile(text)

    for _ in range(500):
        tried = "".join(draw.choices("abcAdfoo-@. <>i/1\n9\u00e9", k=draw.randint(0, 9)))
        assert linear.matches(tried) is bool(usual.search(tried)), tried


@pytest.mark.parametrize("text", EXPONENTIAL)
def test_no_text_takes_longer_than_its_length(text: str) -> None:
    began = time.process_time()

    assert not LinearPattern(text).matches("a" * 5000 + "!")

    assert time.process_time() - began < 2


@pytest.mark.parametrize(("text", "why"), UNREAD.items())
def test_what_needs_more_is_refused_with_the_reason(text: str, why: str) -> None:
    schema = {"properties": {"default": {"type": "string", "pattern": text}}}

    assert [why in problem for problem in find_unusable_patterns(schema)] == [True]


def test_names_and_data_are_not_patterns() -> None:
    schema = {"properties": {"pattern": {"type": "string"}}, "enum": [{"pattern": "(?=a)"}]}

    assert list(find_unusable_patterns(schema)) == []
    assert len(list(find_unusable_patterns({"patternProperties": {"(a+)+$": {}}}))) == 1


def test_references_that_multiply_are_given_up() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "integer"}}
    for number in range(1, 40):
        inner = {"$ref": f"#/$defs/d{number - 1}"}
        definitions[f"d{number}"] = {"anyOf": [inner, inner]}
    validator = make_validator({"$defs": definitions, "$ref": "#/$defs/d39"})
    began = time.process_time()

    assert not validator.is_valid("x")

    assert time.process_time() - began < 20
    assert make_validator({"$defs": definitions, "$ref": "#/$defs/d3"}).is_valid(1)
