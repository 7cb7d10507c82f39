"""Text of a block that speaks to its judge.

Code speaks to people who change it. A comment, a docstring, a text or a name that asks a reviewer or a model
to approve, trust or ignore something is an attempt on the review.
"""

import io
import re
import tokenize
from collections.abc import Iterator

from gates.base import Finding

_READERS = (
    r"(?:reviewers?|evaluators?|models?|assistants?|llms?|ais?|graders?|judges?|gates?|language\s+models?"
    r"|pr\u00fcfer(?:in)?|gutachter(?:in)?|relecteurs?|r\u00e9viseurs?|revisores?|revisor)"
)
_PLEASED = r"(?:approve|accept|ignore|skip|trust|pass)"
_THIS = (
    r"(?:this|these|it|everything|all\s+of|the\s+(?:block|code|change|module|file|function|implementation)s?)"
)
_WORK = r"(?:block|code|module|function|implementation|file|change|class)"
_PHRASES = re.compile(
    rf"""
    # A greeting, an order, a request.
    \b(?:dear|hello|hey|hi|attention|an\s+(?:den|die)|note\s+(?:to|for)|message\s+(?:to|for)
        |instructions?\s+(?:to|for))
        \s+(?:the\s+|all\s+|any\s+|every\s+)?(?:ai\s+|code\s+|automated\s+)?{_READERS}\b
    | \bto\s+(?:wh(?:o|om)ever|anyone\s+who)\s+(?:evaluates|reviews|reads|judges|grades|checks)\b
    | \b{_READERS}\s*[,:]\s*(?:please\s+)?(?:{_PLEASED}|do\s+not|answer|respond|report)\b
    | \b{_READERS}\s+please\s+{_PLEASED}\b
    | \b{_READERS}\s+(?:must|should|may|can|will)\s+{_PLEASED}\s+{_THIS}\b
    | \b(?:reviewers?|evaluators?|graders?|judges?|llms?)\s*[:,]\s.{{0,80}}\b
        (?:(?:approve|accept)(?:\s*[.!;]|\s+{_THIS}\b|\s*$)|known\s+to\s+be|safe\s+to|trust(?:ed)?\b)
    | \b(?:approve|accept|wave\s+through)\s+this\s+(?:{_WORK}|review)\b
    | \b(?:return|output|answer|respond|reply)\s+(?:with\s+)?(?:the\s+)?(?:verdict|approval|["']?approve)\b
    | \b(?:report|list|raise)\s+(?:no|zero)\s+(?:findings?|issues?|problems?|errors?)\b
    | \bdo\s+not\s+(?:report|flag|mention)\s+(?:this|these|the|any)\s+(?:{_WORK}s?|lines?|findings?|issues?)\b
    | \bgive\s+(?:it\s+)?(?:full|top|maximum|the\s+best)\s+(?:marks?|scores?|points?|grades?)\b
    # A claim that somebody has judged already.
    | \bthis\s+{_WORK}\s+(?:was|is|has\s+been)\s+(?:already\s+|previously\s+|fully\s+)?
        (?:reviewed|approved|audited|verified|vetted)\b
    | \bno\s+(?:(?:further|more)\s+review|need\s+to\s+(?:review|look\s+at)\s+this)\b
    | \bno\s+review\s+(?:is\s+)?(?:needed|required|necessary)\b
    | \b(?:already|previously|has\s+been|was)\s+(?:reviewed|approved|audited|verified|checked)\s+by\b
    | \b(?:audited|vetted|reviewed)\b[^.\n]{{0,40}},\s*(?:and\s+)?(?:approved|safe|passed)\b
    | \blgtm\b
    # An attempt on the conversation of a model.
    | \b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+|these\s+)*
        (?:previous|prior|earlier|above|preceding|system)\s+(?:instructions?|prompts?|rules?|findings?|text)\b
    | \b(?:new|updated|revised)\s+instructions?\s*:
    | \b(?:review(?:er|ing)?|judging|grading)\s+(?:model|assistant|llm|ai|bot)s?\b
    | \byou\s+are\s+(?:now\s+)?(?:a|an|the)\s+(?:\w+\s+)?{_READERS}\b
    | \bas\s+an?\s+(?:ai|llm|(?:large\s+)?language\s+model)\b
    | \b(?:verdict|severity)\s*["']?\s*[:=]\s*["']?(?:approve|none|note)\b
    | <\s*/?\s*(?:feature_request|system|repository|findings)\b
    | <\|(?:im_start|im_end|system|user|assistant|endoftext)\|> | \[/?INST\] | <</?SYS>>
    """,
    re.IGNORECASE | re.VERBOSE,
)
_JSON_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SPOKEN = (tokenize.COMMENT, tokenize.STRING)
_NAME = re.compile(
    r"""
    (?:reviewer|grader|judge|llm|evaluator)s?_(?:please_)?(?:approve|accept|ignore|trust|pass)
    | (?:.*_)?(?:approve|accept|trust|pass)_this_(?:block|code|module|function)
    | (?:.*_)?dear_(?:ai|grader|judge|model|reviewer)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def find_addressed_findings(path: str, source: str) -> Iterator[Finding]:
    """A finding for each text of a file that addresses a reviewer or a model."""
    for line, words_found in find_addressed_text(source, is_python=path.endswith(".py")):
        message = f"{words_found[:80]!r} speaks to a judge of the block; write for people who change it"
        yield Finding("allowlist-addressed", message, path=path, line=line, end_line=line)


def find_addressed_text(source: str, *, is_python: bool = True) -> Iterator[tuple[int, str]]:
    """Line and words of each text that addresses a reviewer or a model.

    What is not Python is JSON: only its prose counts, one text at a time.
    """
    if not is_python:
        for number, line in enumerate(source.splitlines(), start=1):
            for text in _JSON_TEXT.findall(line):
                # Prose has blanks.
                if " " in text:
                    yield from _search([(number, text)])
        return
    spoken: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and _NAME.match(token.string):
            yield token.start[0], token.string
        if token.type in _SPOKEN:
            spoken.append((token.start[0], token.string))
    # A sentence may run over several comments.
    yield from _search(spoken)


def _search(spoken: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Line and words of each match in texts with their lines, read as one text."""
    text, starts = "", []
    for number, part in spoken:
        starts.append((len(text), number))
        text += part.lstrip("#").replace("\n", " ") + " "
    for match in _PHRASES.finditer(text):
        line = max(number for start, number in starts if start <= match.start())
        yield line, " ".join(match.group().split())
