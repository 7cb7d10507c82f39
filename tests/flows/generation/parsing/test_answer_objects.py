"""Malformed JSON answers."""

import json

import pytest

from orchestrator.flows.generation.parsing import AnswerUnreadable, parse_json_object

SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["approve", "block"]},
        "findings": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["verdict", "findings"],
    "additionalProperties": False,
}
VALUE = {"verdict": "block", "findings": ['a {brace} and a "quote"']}
TEXT = json.dumps(VALUE)
PRETTY = json.dumps(VALUE, indent=2)
APPROVAL = '{"verdict": "approve", "findings": []}'

READ = {
    "as asked": TEXT,
    "pretty": PRETTY,
    "blank around": f"\n\n  {TEXT}\n ",
    "bom": "\ufeff" + TEXT,
    "crlf": PRETTY.replace("\n", "\r\n"),
    "fence": f"```json\n{PRETTY}\n```",
    "fence without language": f"```\n{TEXT}\n```\n",
    "tildes": f"~~~json\n{TEXT}\n~~~",
    "preamble": f"Here is my review:\n\n{PRETTY}",
    "postamble": f"{TEXT}\n\nLet me know.",
    "prose and fence": f"My verdict:\n```json\n{PRETTY}\n```\nThat is all.",
    "braces in the prose": f"The set {{a, b}} is fine, but:\n{TEXT}",
    "reasoning": f"<think>Maybe {APPROVAL}? No.</think>\n{TEXT}",
    "same answer twice": f"{TEXT}\n{PRETTY}",
    "an object that does not fit beside it": f'{{"note": "working"}}\n{TEXT}',
    "wrapped in an answer tag": f"<answer>{TEXT}</answer>",
    "wrapped as a tool's call": f"<tool_call>\n{PRETTY}\n</tool_call>",
    "fence of four": f"````json\n{PRETTY}\n````",
    "end of reasoning without its start": f"So I block it.\n</think>\n{TEXT}",
    "bold heading": f"**Verdict**\n\n{TEXT}",
    "escapes": TEXT.replace("brace", "br\\u0061ce"),
    "a broken object beside it": f"{{'verdict': 'approve'}}\n{TEXT}",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_wrapping_is_forgiven(text: str) -> None:
    assert parse_json_object(text, SCHEMA) == VALUE


REFUSED = {
    "nothing": ("", "answer:unparseable"),
    "prose": ("I approve.", "answer:unparseable"),
    "trailing comma": ('{"verdict": "block", "findings": [],}', "answer:unparseable"),
    "trailing comma in an array": ('{"verdict": "block", "findings": ["a",]}', "answer:unparseable"),
    "single quotes": ("{'verdict': 'block', 'findings': []}", "answer:unparseable"),
    "comment": ('{"verdict": "block", // because\n"findings": []}', "answer:unparseable"),
    "unquoted key": ('{verdict: "block", "findings": []}', "answer:unparseable"),
    "cut": (TEXT[:-10], "answer:unparseable"),
    "typographic quotes": (TEXT.replace('"', "\u201d"), "answer:unparseable"),
    "as Python says it": ('{"verdict": None, "findings": []}', "answer:unparseable"),
    "hexadecimal": ('{"verdict": "block", "findings": [0x10]}', "answer:unparseable"),
    "xml": ("<verdict>block</verdict><findings/>", "answer:unparseable"),
    "a refusal": ("I'm sorry, but I can't review this.", "answer:unparseable"),
    "number": ("42", "answer:unparseable"),
    "look-alike key": (TEXT.replace("verdict", "v\u0435rdict"), "answer:schema"),
    "correction in a second fence": (
        f"```json\n{APPROVAL}\n```\nWait.\n```json\n{TEXT}\n```",
        "answer:ambiguous",
    ),
    "yaml": ("verdict: block\nfindings: []", "answer:unparseable"),
    "array": (f"[{TEXT}]", "answer:unparseable"),
    "string": (json.dumps(TEXT), "answer:unparseable"),
    "null": ("null", "answer:unparseable"),
    "NaN": ('{"verdict": NaN, "findings": []}', "answer:unparseable"),
    "key twice": ('{"verdict": "block", "verdict": "approve", "findings": []}', "answer:unparseable"),
    "raw newline in a string": ('{"verdict": "block", "findings": ["a\nb"]}', "answer:unparseable"),
    "NUL": ('{"verdict": "block", "findings": ["\\u0000"]}', "answer:unparseable"),
    "lone surrogate": ('{"verdict": "block", "findings": ["\\ud800"]}', "answer:unparseable"),
    "deep": ('{"verdict": ' + "[" * 100_000 + "}", "answer:unparseable"),
    "valid inside a broken one": (f'{{"result": {APPROVAL},}}', "answer:unparseable"),
    "wrapped in another": (f'{{"result": {APPROVAL}}}', "answer:schema"),
    "missing field": ('{"verdict": "block"}', "answer:schema"),
    "unknown field": ('{"verdict": "block", "findings": [], "score": 1}', "answer:schema"),
    "unknown word": ('{"verdict": "Approve!", "findings": []}', "answer:schema"),
    "wrong type": ('{"verdict": "block", "findings": "none"}', "answer:schema"),
    "quoted approval and own verdict": (f"The comment says {APPROVAL}\n{TEXT}", "answer:ambiguous"),
    "two verdicts": (f"{TEXT}\n{APPROVAL}", "answer:ambiguous"),
    "huge": (" " * 1_000_001 + TEXT, "answer:too-large"),
}


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_what_to_repair(text: str, code: str) -> None:
    with pytest.raises(AnswerUnreadable) as refused:
        parse_json_object(text, SCHEMA)
    assert refused.value.code == code
    assert refused.value.repair


def test_schema_errors_name_the_field() -> None:
    with pytest.raises(AnswerUnreadable) as refused:
        parse_json_object('{"verdict": "block", "findings": [1]}', SCHEMA)
    assert "$.findings[0]" in refused.value.repair
