"""Malformed answers of whole files: each is read rightly, or refused with what to repair."""

import pytest

from orchestrator.flows.generation.parsing import AnswerUnreadable, parse_files

N = "4f1c9a7be02d3365"
OTHER = "0123456789abcdef"
PY, CT = "ratio.py", "contract.json"
ALLOWED = (PY, CT)
GOOD = {PY: "x = 1\n", CT: "{}\n"}


def section(path: str, content: str, nonce: str = N, end: str | None = None) -> str:
    return f"<<<FILE {path} {nonce}>>>\n{content}\n<<<END {nonce if end is None else end}>>>\n"


A, B = section(PY, "x = 1"), section(CT, "{}")
BOTH = A + B

READ = {
    "as asked": BOTH,
    "other order": B + A,
    "preamble": "Sure! Here are the files you asked for:\n\n" + BOTH,
    "postamble": BOTH + "\nI hope this helps. Let me know!",
    "prose between": A + "\nAnd now the contract:\n" + B,
    "fence around the whole": f"```\n{BOTH}```\n",
    "fence with language around the whole": f"```text\n{BOTH}```",
    "fence around each section": f"```python\n{A}```\n```json\n{B}```",
    "fence inside a section": section(PY, "```python\nx = 1\n```") + B,
    "fence with tildes inside": section(PY, "~~~\nx = 1\n~~~") + B,
    "fence of four inside": section(PY, "````python\nx = 1\n````") + B,
    "fence opened inside and closed outside": (
        f"<<<FILE {PY} {N}>>>\n```python\nx = 1\n<<<END {N}>>>\n```\n{B}"
    ),
    "fence opened outside and closed inside": (
        f"```python\n<<<FILE {PY} {N}>>>\nx = 1\n```\n<<<END {N}>>>\n{B}"
    ),
    "fence in front of json": A + section(CT, "```json\n{}\n```"),
    "crlf": BOTH.replace("\n", "\r\n"),
    "lone cr": BOTH.replace("\n", "\r"),
    "mixed line ends": A.replace("\n", "\r\n") + B,
    "bom in front": "\ufeff" + BOTH,
    "bom in front of each delimiter": "".join("\ufeff" + part for part in (A, B)),
    "bom in the content": section(PY, "\ufeffx = 1") + B,
    "zero width space in a delimiter": BOTH.replace("<<<FILE", "<<<\u200bFILE"),
    "trailing spaces on delimiters": BOTH.replace(">>>\n", ">>>  \t\n"),
    "leading spaces on delimiters": "".join(
        f"  {line}" if "<<<" in line else line for line in BOTH.splitlines(True)
    ),
    "blank lines around the content": section(PY, "\n\nx = 1\n\n\n") + B,
    "no newline at the end": BOTH.rstrip(),
    "spaces inside the delimiter": BOTH.replace("<<<FILE", "<<< FILE").replace(">>>", " >>>"),
    "colon after FILE": BOTH.replace("<<<FILE ", "<<<FILE: "),
    "lower case": BOTH.replace("FILE", "file").replace("END", "end"),
    "nonce in upper case": BOTH.replace(N, N.upper()),
    "nonce with its name": BOTH.replace(f" {N}", f" nonce={N}"),
    "path in back-ticks": BOTH.replace(PY, f"`{PY}`"),
    "path in quotes": BOTH.replace(PY, f'"{PY}"'),
    "path with ./": BOTH.replace(PY, f"./{PY}"),
    "bold delimiters": BOTH.replace("<<<", "**<<<").replace(">>>", ">>>**"),
    "delimiters in back-ticks": BOTH.replace("<<<", "`<<<").replace(">>>", ">>>`"),
    "delimiters as comments": BOTH.replace("<<<", "# <<<"),
    "delimiters as headings": BOTH.replace("<<<FILE", "### <<<FILE"),
    "quoted as a mail": "".join(f"> {line}" if "<<<" in line else line for line in BOTH.splitlines(True)),
    "END with the path": BOTH.replace(f"x = 1\n<<<END {N}", f"x = 1\n<<<END {PY} {N}").replace(
        f"{{}}\n<<<END {N}", f"{{}}\n<<<END {CT} {N}"
    ),
    "END FILE": BOTH.replace("<<<END", "<<<END FILE"),
    "END of file": BOTH.replace("<<<END", "<<<END OF FILE"),
    "closed as a tag": BOTH.replace("<<<END", "<<</FILE"),
    "no-break spaces in the delimiters": BOTH.replace("FILE ", "FILE\u00a0").replace("END ", "END\u00a0"),
    "tabs in the delimiters": BOTH.replace("FILE ", "FILE\t").replace("END ", "END\t"),
    "joiners in the nonce": BOTH.replace(N, f"{N[:4]}\u200d{N[4:]}"),
    "soft hyphen in a delimiter": BOTH.replace("<<<END", "<<<E\u00adND"),
    "wrapped as a tool's call": f"<tool_call>\n{BOTH}</tool_call>",
    "wrapped in an answer tag": f"<answer>\n{BOTH}</answer>",
    "end of reasoning without its start": f"Draft:\n{section(PY, 'x = 0')}\n</think>\n{BOTH}",
    "reasoning that is never closed": f"<think>\nLet me write it.\n{BOTH}",
    "headings between": f"## Module\n\n{A}\n## Contract\n\n{B}",
    "answer, then the same as a summary": f"{BOTH}\nSummary:\n- {PY}: done\n- {CT}: done\n",
    "bom, crlf and a fence at once": "\ufeff" + f"```\n{BOTH}```".replace("\n", "\r\n"),
    "files listed before": f"Files: {PY}, {CT}\n---\n{BOTH}---\n",
    "END at the end of the last line": f"<<<FILE {PY} {N}>>>\nx = 1<<<END {N}>>>\n{B}",
    "END missing before the next FILE": f"<<<FILE {PY} {N}>>>\nx = 1\n{B}",
    "END twice": A + f"<<<END {N}>>>\n" + B,
    "stray END in front": f"<<<END {N}>>>\n" + BOTH,
    "reasoning in front": f"<think>Draft:\n{section(PY, 'x = 0')}Better.</think>\n{BOTH}",
    "long reasoning tag": f"\n<thinking>\n{section('evil.py', 'x = 0')}</thinking>{BOTH}",
    "delimiter mentioned in the preamble": (
        f"I use `<<<FILE path {N}>>>` and `<<<END {N}>>>` as asked.\n{BOTH}"
    ),
    "two answers": section(PY, "x = 0") + section(CT, "[]") + "Wait, that is wrong. Again:\n" + BOTH,
    "one file corrected": section(PY, "x = 0") + B + A,
    "same answer twice": BOTH + BOTH,
    "copied example with another nonce": section(PY, "x = 0", OTHER) + BOTH,
    "example without a nonce": f"<<<FILE {PY}>>>\nx = 0\n<<<END>>>\n{BOTH}",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_wrapping_is_forgiven(text: str) -> None:
    assert parse_files(text, N, ALLOWED) == GOOD


CONTENT = {
    "delimiter with another nonce": f'EXAMPLE = """\n<<<FILE other.py {OTHER}>>>\n<<<END {OTHER}>>>\n"""',
    "delimiter without a nonce": '"""\n<<<FILE x.py>>>\n<<<END>>>\n"""',
    "fence in a docstring": '"""Use:\n\n```python\nratio()\n```\n"""\nx = 1',
    "shift operators": "x = 1 <<3>> 1\ny = a <<<b",
    "trailing spaces": 'TEXT = """a   \nb\t\n"""',
    "form feed and unicode": "x = 'é\u2028\u00a0'\n\x0c\ny = 1",
    "indented first line": "    x = 1",
    "reasoning tags": 'x = "<think>no</think>"',
    "html": "x = '&lt;b&gt;'",
    "typographic quotes": "x = \u201cone\u201d",
    "line numbers": " 1 | x = 1",
    "plus signs of a diff": "+x = 1\n+y = 2",
    "conflict markers": "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs",
    "here-document": "cat <<<END\nx\nEND",
    "joiners in a text": "x = 'a\u200db'",
}


@pytest.mark.parametrize("content", CONTENT.values(), ids=CONTENT.keys())
def test_content_is_kept_to_the_letter(content: str) -> None:
    assert parse_files(section(PY, content) + B, N, ALLOWED)[PY] == content + "\n"


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("# Title\n\n```python\nratio()\n```", "# Title\n\n```python\nratio()\n```\n"),
        (
            "```python\nratio()\n```\n\nText\n\n```\nend\n```",
            "```python\nratio()\n```\n\nText\n\n```\nend\n```\n",
        ),
        ("```markdown\n# Title\n```", "# Title\n"),
        ("````md\n# Title\n```\ncode\n```\n````", "# Title\n```\ncode\n```\n"),
    ],
)
def test_fences_of_a_readme_stay_unless_they_wrap_it(content: str, kept: str) -> None:
    assert parse_files(section("README.md", content), N, ["README.md"]) == {"README.md": kept}


REFUSED = {
    "nothing": ("", "answer:unparseable"),
    "blank": (" \n\n", "answer:unparseable"),
    "prose only": ("I cannot see the plan. Could you paste it?", "answer:unparseable"),
    "fences without delimiters": ("```python\nx = 1\n```\n```json\n{}\n```", "answer:unparseable"),
    "json instead": ('{"ratio.py": "x = 1", "contract.json": "{}"}', "answer:unparseable"),
    "diff instead": ("--- a/ratio.py\n+++ b/ratio.py\n@@ -1 +1 @@\n-x = 0\n+x = 1\n", "answer:unparseable"),
    "escaped delimiters": (BOTH.replace("<", "&lt;").replace(">", "&gt;"), "answer:unparseable"),
    "two angles": (BOTH.replace("<<<", "<<").replace(">>>", ">>"), "answer:unparseable"),
    "reasoning only": (f"<think>{BOTH}</think>", "answer:unparseable"),
    "answer in the middle of a line": (f"Files: {BOTH}".replace("\n", " "), "answer:unparseable"),
    "look-alike brackets": (
        BOTH.replace("<<<", "\uff1c\uff1c\uff1c").replace(">>>", "\uff1e\uff1e\uff1e"),
        "answer:unparseable",
    ),
    "guillemets": (BOTH.replace("<<<", "\u00ab<").replace(">>>", ">\u00bb"), "answer:unparseable"),
    "look-alike letters in FILE": (BOTH.replace("FILE", "F\u0406LE"), "answer:unparseable"),
    "colours of a terminal": (BOTH.replace("<<<", "\x1b[1m<<<"), "answer:unparseable"),
    "numbered": (BOTH.replace("<<<FILE", "1. <<<FILE"), "answer:unparseable"),
    "a search and replace block": (
        "<<<<<<< SEARCH\nx = 0\n=======\nx = 1\n>>>>>>> REPLACE\n",
        "answer:unparseable",
    ),
    "xml": (f"<file path='{PY}'>x = 1</file><file path='{CT}'>{{}}</file>", "answer:unparseable"),
    "a refusal": ("I'm sorry, but I can't help with that.", "answer:unparseable"),
    "base64 of the answer": ("PDw8RklMRSByYXRpby5weQ==", "answer:unparseable"),
    "look-alike in the nonce": (BOTH.replace(N, N.replace("a", "\u0430")), "answer:wrong-nonce"),
    "letter o for zero": (BOTH.replace(N, N.replace("0", "o")), "answer:wrong-nonce"),
    "nonce twice": (BOTH.replace(N, N + N), "answer:wrong-nonce"),
    "END with a path and no nonce": (
        f"<<<FILE {PY} {N}>>>\nx = 1\n<<<END {PY}>>>\n{B}",
        "answer:wrong-nonce",
    ),
    "END in other words": (f"<<<FILE {PY} {N}>>>\nx = 1\n<<<END OF {PY}!>>>\n{B}", "answer:wrong-nonce"),
    "one file inside another": (f"<<<FILE {PY} {N}>>>\n{B}<<<END {N}>>>\n", "answer:empty-file"),
    "an edit where none is asked for": (BOTH.replace("<<<FILE", "<<<EDIT"), "answer:edit-mismatch"),
    "contradiction where none may be": (
        f"<<<CONTRADICTION {N}>>>\nNo.\n<<<END {N}>>>\n",
        "answer:unparseable",
    ),
    "wrong nonce": (BOTH.replace(N, OTHER), "answer:wrong-nonce"),
    "no nonce": (BOTH.replace(f" {N}", ""), "answer:wrong-nonce"),
    "placeholder instead of the nonce": (BOTH.replace(N, "NONCE"), "answer:wrong-nonce"),
    "nonce cut": (BOTH.replace(N, N[:15]), "answer:wrong-nonce"),
    "nonce of the first END wrong": (section(PY, "x = 1", end=OTHER) + B, "answer:wrong-nonce"),
    "first END without nonce": (f"<<<FILE {PY} {N}>>>\nx = 1\n<<<END>>>\n{B}", "answer:wrong-nonce"),
    "nonce of the last END wrong": (A + section(CT, "{}", end=OTHER), "answer:truncated"),
    "last END missing": (BOTH[: BOTH.rindex("<<<END")], "answer:truncated"),
    "cut in the last END": (BOTH.rstrip()[:-8], "answer:truncated"),
    "cut in a file": (A + f"<<<FILE {CT} {N}>>>\n{{", "answer:truncated"),
    "correction cut": (BOTH + f"<<<FILE {PY} {N}>>>\nx =", "answer:truncated"),
    "one file": (A, "answer:missing-file"),
    "second file with a wrong nonce": (A + section(CT, "{}", OTHER), "answer:missing-file"),
    "second file cut before it starts": (A + "<<<FILE contr", "answer:missing-file"),
    "empty file": (section(PY, "") + B, "answer:empty-file"),
    "blank file": (section(PY, "  \n\t\n ") + B, "answer:empty-file"),
    "only fences": (section(PY, "```python\n```") + B, "answer:empty-file"),
    "NUL": (section(PY, "x = '\0'") + B, "answer:unparseable"),
    "lone surrogate": (section(PY, "x = '\ud800'") + B, "answer:unparseable"),
    "huge file": (section(PY, "x = 1\n" * 40_000) + B, "answer:too-large"),
    "huge answer": ("\n" * 1_000_001 + BOTH, "answer:too-large"),
}
FORBIDDEN = (
    "conftest.py",
    "pyproject.toml",
    ".coveragerc",
    "sitecustomize.py",
    "evil.pth",
    "setup.cfg",
    "json.py",
    "../ratio.py",
    "/etc/passwd",
    "tests/ratio.py",
    "./../ratio.py",
    "ratio.py/",
    "ratio.py.",
    "RATIO.py",
    "r\u0430tio.py",  # a Cyrillic letter
    "ratio.py\u202e",
    "ratio .py",
    "sub\\ratio.py",
    "ratio.py conftest.py",
    "",
    "README.md",
    ".blocks/config.yml",
)


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_what_to_repair(text: str, code: str) -> None:
    with pytest.raises(AnswerUnreadable) as refused:
        parse_files(text, N, ALLOWED)
    assert refused.value.code == code
    assert refused.value.repair
    assert refused.value.cure


@pytest.mark.parametrize("path", FORBIDDEN)
def test_other_paths_refuse_the_whole_answer(path: str) -> None:
    with pytest.raises(AnswerUnreadable, match="may not write") as refused:
        parse_files(BOTH + section(path, "x = 1"), N, ALLOWED)
    assert refused.value.code == "answer:forbidden-path"
    assert PY in refused.value.repair


def test_table_is_as_long_as_promised() -> None:
    assert len(READ) + len(REFUSED) + len(FORBIDDEN) >= 100
