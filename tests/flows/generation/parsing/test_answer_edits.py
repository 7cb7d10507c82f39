"""Edits of a long file: applied exactly, or refused with a wish for the whole file."""

import re

import pytest

from orchestrator.flows.generation.parsing import (
    AnswerUnreadable,
    RequestContradicted,
    parse_files,
    parse_whole_files,
)

N, OTHER = "4f1c9a7be02d3365", "0123456789abcdef"
ORIGINAL = "a = 1\nb = 2\n\n\ndef f():\n    return a\n\n\ndef g():\n    return b\n"
ALLOWED = ("long.py", "contract.json")
CONTRACT = f"<<<FILE contract.json {N}>>>\n{{}}\n<<<END {N}>>>\n"


def edit(*pairs: tuple[str, str], nonce: str = N, path: str = "long.py") -> str:
    body = "".join(f"<<<SEARCH {nonce}>>>\n{old}\n<<<REPLACE {nonce}>>>\n{new}\n" for old, new in pairs)
    return f"<<<EDIT {path} {N}>>>\n{body}<<<END {N}>>>\n"


def read(text: str) -> str:
    return parse_files(text + CONTRACT, N, ALLOWED, originals={"long.py": ORIGINAL})["long.py"]


READ = {
    "one line": (edit(("b = 2", "b = 3")), ORIGINAL.replace("b = 2", "b = 3")),
    "two edits": (
        edit(("a = 1", "a = 0"), ("b = 2", "b = 3")),
        ORIGINAL.replace("a = 1", "a = 0").replace("b = 2", "b = 3"),
    ),
    "several lines": (
        edit(("def f():\n    return a", "def f():\n    return 7")),
        ORIGINAL.replace("return a", "return 7"),
    ),
    "second sees the first": (
        edit(("a = 1", "a = 5"), ("a = 5", "a = 6")),
        ORIGINAL.replace("a = 1", "a = 6"),
    ),
    "more lines than before": (
        edit(("b = 2", "b = 2\n\nc = 3")),
        ORIGINAL.replace("b = 2", "b = 2\n\nc = 3"),
    ),
    "a blank line at the end of what is new": (
        edit(("b = 2", "b = 2\n")),
        ORIGINAL.replace("b = 2", "b = 2\n"),
    ),
    "crlf": (edit(("b = 2", "b = 3")).replace("\n", "\r\n"), ORIGINAL.replace("b = 2", "b = 3")),
    "in a fence": (f"```\n{edit(('b = 2', 'b = 3'))}```\n", ORIGINAL.replace("b = 2", "b = 3")),
    "lower case": (
        edit(("b = 2", "b = 3")).replace("SEARCH", "search").replace("REPLACE", "replace"),
        ORIGINAL.replace("b = 2", "b = 3"),
    ),
    "whole file after all": (f"<<<FILE long.py {N}>>>\nx = 1\n<<<END {N}>>>\n", "x = 1\n"),
    "edit, then the whole file": (
        edit(("b = 2", "b = 3")) + f"<<<FILE long.py {N}>>>\nx = 1\n<<<END {N}>>>\n",
        "x = 1\n",
    ),
    "left out": ("", ORIGINAL),
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ.keys())
def test_edits_are_applied(text: str, expected: str) -> None:
    assert read(text) == expected


REFUSED = {
    "not there": edit(("c = 3", "c = 4")),
    "there twice": edit(("", "# here")),
    "line that occurs twice": edit(("    return a\n\n\ndef g():\n    return a", "x")),
    "part of a line": edit(("= 2", "= 3")),
    "other indentation": edit(("return a", "return 7")),
    "trailing space": edit(("b = 2 ", "b = 3")),
    "blank search": edit(("\n", "# here")),
    "no replacement": f"<<<EDIT long.py {N}>>>\n<<<SEARCH {N}>>>\nb = 2\n<<<END {N}>>>\n",
    "no search": f"<<<EDIT long.py {N}>>>\n<<<REPLACE {N}>>>\nb = 2\n<<<END {N}>>>\n",
    "order turned round": (
        f"<<<EDIT long.py {N}>>>\n<<<REPLACE {N}>>>\nb = 3\n<<<SEARCH {N}>>>\nb = 2\n<<<END {N}>>>\n"
    ),
    "wrong nonce inside": edit(("b = 2", "b = 3"), nonce=OTHER),
    "prose in front": edit(("b = 2", "b = 3")).replace(f"<<<SEARCH {N}", f"Here it is:\n<<<SEARCH {N}", 1),
    "fence inside": edit(("b = 2", "b = 3")).replace(f"<<<SEARCH {N}", f"```python\n<<<SEARCH {N}"),
    "conflict markers": (
        f"<<<EDIT long.py {N}>>>\n<<<<<<< SEARCH\nb = 2\n=======\nb = 3\n>>>>>>> REPLACE\n<<<END {N}>>>\n"
    ),
    "a diff": f"<<<EDIT long.py {N}>>>\n@@ -2 +2 @@\n-b = 2\n+b = 3\n<<<END {N}>>>\n",
    "nothing": f"<<<EDIT long.py {N}>>>\n<<<END {N}>>>\n",
    "a file that is not long": edit(("{}", "[]"), path="contract.json"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_edits_that_do_not_fit_ask_for_the_whole_file(text: str) -> None:
    with pytest.raises(AnswerUnreadable, match=r"edits") as refused:
        read(text)
    assert refused.value.code == "answer:edit-mismatch"
    assert "Write the whole of" in refused.value.repair


def test_an_answer_that_leaves_everything_out_is_none() -> None:
    with pytest.raises(AnswerUnreadable):
        parse_files("Nothing has to change.", N, ["long.py"], originals={"long.py": ORIGINAL})


WHOLE = f"<<<FILE long.py {N}>>>\nx = 1\n<<<END {N}>>>\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (WHOLE[:-4], {}),
        (WHOLE, {"long.py": "x = 1\n"}),
        (f"{WHOLE}<<<FILE contract.json {N}>>>\n{{", {"long.py": "x = 1\n"}),
        (f"{WHOLE}<<<FILE long.py {N}>>>\nx =", {}),
        (f"{WHOLE}<<<FILE contr", {"long.py": "x = 1\n"}),
    ],
)
def test_whole_files_of_an_answer_that_was_cut_off(text: str, expected: dict[str, str]) -> None:
    assert parse_whole_files(text, N, ALLOWED) == expected


REQUEST = "Each fee is at most 8 %.\nNo fee is below 9 %."
REASON = '"at most 8 %" and "below 9 %": no.'
SAID = f"<<<CONTRADICTION {N}>>>\n{REASON}\n<<<END {N}>>>\n"


@pytest.mark.parametrize(
    "text",
    [
        SAID,
        f"Sorry.\n```\n{SAID}```",
        SAID.replace("\n", "\r\n"),
        SAID.lower(),
        f"<think>{WHOLE}</think>{SAID}",
    ],
)
def test_contradiction_is_told(text: str) -> None:
    with pytest.raises(RequestContradicted, match=rf"(?i)^{re.escape(REASON)}$"):
        parse_files(text, N, ALLOWED, request=REQUEST)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (WHOLE + SAID, "answer:ambiguous"),
        (SAID.replace(REASON, " "), "answer:unparseable"),
        (SAID.replace(REASON, "None."), "answer:unparseable"),
        (SAID.replace(REASON, "It is too hard."), "answer:unquoted-contradiction"),
        (SAID.replace(REASON, '"at most 8 %" and "at most 9 %"'), "answer:unquoted-contradiction"),
        (SAID.replace(N, OTHER), "answer:wrong-nonce"),
        (
            f"<<<FILE long.py {N}>>>\n<<<CONTRADICTION {OTHER}>>>\n{REASON}\n<<<END {N}>>>\n",
            "answer:missing-file",
        ),
    ],
)
def test_contradiction_that_is_none(text: str, code: str) -> None:
    with pytest.raises(AnswerUnreadable) as refused:
        parse_files(text, N, ALLOWED, request=REQUEST)
    assert refused.value.code == code


@pytest.mark.parametrize("said", ["", "none", "N/A", "no contradictions."])
def test_form_filled_in_beside_the_files_does_no_harm(said: str) -> None:
    text = WHOLE + SAID.replace(REASON, said)
    assert parse_files(text, N, ("long.py",), request=REQUEST) == {"long.py": "x = 1\n"}


def test_a_stage_that_may_not_contradict_does_not() -> None:
    with pytest.raises(AnswerUnreadable):
        parse_files(SAID, N, ALLOWED)
