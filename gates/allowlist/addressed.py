"""Text of a block that speaks to its judge.

Code speaks to people who change it. A comment, a docstring or a text that asks a reviewer or a model to
approve, trust or ignore something is an attempt on the review.
"""

import io
import re
import tokenize
from collections.abc import Iterator

_READERS = r"(?:reviewers?|models?|assistants?|llms?|ais?|graders?|judges?|gates?|language\s+models?)"
_PHRASES = re.compile(
    rf"""
    \b(?:dear|hello|hey|hi|attention|note\s+(?:to|for)|message\s+(?:to|for)|instructions?\s+(?:to|for))
        \s+(?:the\s+|all\s+|any\s+|every\s+)?(?:ai\s+|code\s+|automated\s+)?{_READERS}\b
    | \b{_READERS}\s*[,:]\s*(?:please\s+)?
        (?:approve|accept|ignore|skip|trust|pass|do\s+not|answer|respond|report)\b
    | \b{_READERS}\s+(?:must|should|may|can|will)\s+(?:approve|accept|ignore|skip|trust|pass)\b
    | \b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+|these\s+)*
        (?:previous|prior|earlier|above|preceding|system)\s+(?:instructions?|prompts?|rules?|findings?|text)\b
    | \b(?:reviewers?|graders?|judges?|llms?)\s*:\s.{{0,80}}\b
        (?:approve|accept|correct|known\s+to\s+be|safe\s+to|trust(?:ed)?)\b
    | \b(?:review(?:er|ing)?|judging|grading)\s+(?:model|assistant|llm|ai|bot)s?\b
    | \bthis\s+(?:block|code|module|function|implementation)\s+(?:was|is|has\s+been)\s+
        (?:already\s+|previously\s+|fully\s+)?(?:reviewed|approved|audited|verified|vetted)\b
    | \bno\s+(?:further\s+|more\s+)?review\s+(?:is\s+)?(?:needed|required|necessary)\b
    | \b(?:approve|accept|wave\s+through)\s+this\s+(?:block|code|change|module|file|review)\b
    | \b(?:already|previously|has\s+been|was)\s+(?:reviewed|approved|audited|verified)\s+by\b
    | \byou\s+are\s+(?:now\s+)?(?:a|an|the)\s+(?:\w+\s+)?{_READERS}\b
    | \b(?:verdict|severity)\s*["']?\s*[:=]\s*["']?(?:approve|none|note)\b
    | <\s*/?\s*(?:feature_request|system|repository|findings)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SPOKEN = (tokenize.COMMENT, tokenize.STRING)
_NAME = re.compile(r"(?:reviewer|grader|judge|llm)s?_(?:please_)?(?:approve|accept|ignore|trust|pass)", re.I)


def find_addressed_text(source: str) -> Iterator[tuple[int, str]]:
    """Line and words of each text that addresses a reviewer or a model."""
    lines: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and _NAME.match(token.string):
            yield token.start[0], token.string
        if token.type in _SPOKEN:
            lines.append((token.start[0], token.string))
    # A sentence may run over several comments.
    text, starts = "", []
    for number, spoken in lines:
        starts.append((len(text), number))
        text += spoken.lstrip("#").replace("\n", " ") + " "
    for match in _PHRASES.finditer(text):
        line = max(number for start, number in starts if start <= match.start())
        yield line, " ".join(match.group().split())
