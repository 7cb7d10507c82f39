"""Text of a block that speaks to its judge.

Code speaks to people who change it. A comment, a docstring, a text or a name that asks a reviewer or a model
to approve, trust or ignore something is an attempt on the review.
"""

import ast
import base64
import binascii
import codecs
import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator

from gates import syntax
from gates.base import Finding

_READERS = (
    r"(?:reviewers?|evaluators?|models?|assistants?|llms?|ais?|graders?|judges?|gates?|language\s+models?"
    r"|pr\u00fcfer(?:in)?|gutachter(?:in)?|relecteurs?|r\u00e9viseurs?|revisores?|revisor)"
)
_PLEASED = r"(?:approve|accept|ignore|skip|trust|pass)"
_VENDOR_MODELS = r"(?:claude|chatgpt|gpt(?:-\w+)?|gemini|copilot)"
# Who is asked, and what for, in languages that reviewers and models read as well.
_READERS_ABROAD = "|".join(
    (
        r"pr\u00fcfer(?:in)?|gutachter(?:in)?|relect(?:eurs?|rices?)|r\u00e9viseu(?:rs?|ses?)",
        r"revis(?:or|ora|ores|ore|ori)|evaluador(?:a|es)?|avaliador(?:a|es)?|valutator[ei]",
        r"beoordelaars?|recenzen(?:t|ci|ta)|granskare",
        # Russian: reviewer, who checks.
        r"\u0440\u0435\u0446\u0435\u043d\u0437\u0435\u043d\u0442\w*",
        r"\u0440\u0435\u0432\u044c\u044e\u0435\u0440\w*",
        r"\u043f\u0440\u043e\u0432\u0435\u0440\u044f\u044e\u0449\w*",
        # Chinese, Japanese, Korean.
        r"[\u5ba1\u5be9][\u67e5\u6838\u9605\u95b1][\u8005\u5458\u54e1]|\u8bc4\u5ba1|\u8a55\u5be9",
        r"\u30ec\u30d3\u30e5\u30a2\u30fc|\u67fb\u8aad|\ub9ac\ubdf0\uc5b4|\uc2ec\uc0ac\uc790",
    )
)
_PLEASED_ABROAD = "|".join(
    (
        r"freigeben|genehmig\w+|approuve\w*|accepte[rz]?|valide[rz]|apr(?:ueb|ob|ov)\w+",
        r"approv(?:a|are|ate)\b|goedkeur\w*|zatwierd\w+|godk\u00e4nn\w*",
        r"\u043e\u0434\u043e\u0431\u0440\w+|\u043f\u0440\u0438\u043c\u0438\w*",
        r"\u6279\u51c6|\u901a\u8fc7|\u901a\u904e|\u8ba4\u53ef|\u627f\u8a8d|\uc2b9\uc778",
    )
)
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
    | (?:\bto\s+wh(?:o|om)ever|\banyone\s+who)\s+(?:evaluates|reviews|reads|judges|grades|checks)\b
    | \b{_VENDOR_MODELS}\b[^.\n]{{0,30}}[:,]\s*
        (?:please|approve|accept|ignore|skip|nothing|no\b|do\s+not|you\b|this\s+is)
    | (?:{_READERS_ABROAD}).{{0,60}}(?:{_PLEASED_ABROAD})
    | (?:{_PLEASED_ABROAD}).{{0,60}}(?:{_READERS_ABROAD})
    | \bverdict\b[^.\n]{{0,40}}\b(?:is|be|has\s+to\s+be)\s+(?:to\s+)?["']?(?:approve|pass)
    | \b{_READERS}\s*[,:]\s*(?:please\s+)?(?:{_PLEASED}|do\s+not|answer|respond|report)\b
    | \b{_READERS}\s+please\s+{_PLEASED}\b
    | \b{_READERS}\s+(?:must|should|may|can|will)\s+{_PLEASED}\s+{_THIS}\b
    | \b(?:reviewers?|evaluators?|graders?|judges?|llms?)\s*[:,]\s.{{0,80}}\b
        (?:(?:approve|accept)(?:\s*[.!;]|\s+{_THIS}\b|\s*$)|known\s+to\s+be|safe\s+to|trust(?:ed)?\b)
    | \b(?:approve|accept|wave\s+through)\s+this\s+(?:{_WORK}|review)\b
    | \b(?:return|output|answer|respond|reply)\s+(?:with\s+)?(?:the\s+)?(?:verdict|approval|["']?approve)\b
    | \b(?:report|list|raise)\s+(?:no|zero)\s+(?:findings?|issues?|problems?|errors?)\b
    | \bdo\s+not\s+(?:report|flag|mention)\s+(?:this|these|the|any)\s+(?:{_WORK}s?|lines?|findings?|issues?)\b
    | \bgive\s+(?:it\s+)?(?:an?\s+)?(?:positive|favou?rable)\s+(?:assessment|review|verdict|rating)\b
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
        (?:(?:previous|prior|earlier|above|preceding|system)
            \s+(?:instructions?|prompts?|rules?|findings?|text)
        |(?:instructions?|prompts?|rules?|criteria)\s+(?:above|before|so\s+far|you\s+were\s+given))\b
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
_FIGURES = str.maketrans("0134579@$", "oieastgas")
_FIGURE_IN_WORD = re.compile(r"[a-z][0134579@$][a-z]", re.IGNORECASE)
_SPELLED = re.compile(r"\b(?:\w ){4,}\w?")
_ENCODED = re.compile(r"[A-Za-z0-9+/]{24,}")
_JSON_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SPOKEN = (tokenize.COMMENT, tokenize.STRING)
_NAME = re.compile(
    r"""
    (?:.*_)?(?:reviewer|grader|judge|llm|evaluator)s?_(?:(?:please|should|must|may|can)_)?
        (?:approve|accept|ignore|trust|pass)
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
    yield from _search(list(_list_composed(source)))


def _search(spoken: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Line and words of each match in texts with their lines, read as one text."""
    parts, starts, length = [], [], 0
    for _, part in spoken:
        starts.append(length)
        parts.append(part.lstrip("#").replace("\n", " ") + " ")
        length += len(parts[-1])
    for match in _PHRASES.finditer("".join(parts)):
        line, _ = spoken[bisect_right(starts, match.start()) - 1]
        yield line, " ".join(match.group().split())
    for number, part in spoken:
        for reading in _list_readings(part):
            yield from ((number, " ".join(match.group().split())) for match in _PHRASES.finditer(reading))


def _list_composed(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of what is put together of literal parts, with blanks where other values stand."""
    seen: set[int] = set()
    for node in ast.walk(syntax.parse(source)):
        match node:
            case ast.Constant(value=str() as text) if " " in text:
                yield node.lineno, text
            # The outermost comes first: the parts of a long sum would be composed again and again.
            case ast.JoinedStr() | ast.BinOp(op=ast.Add()) if id(node) not in seen:
                seen |= {id(inner) for inner in ast.walk(node)}
                yield node.lineno, _compose(node)


def _compose(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_compose, values))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _compose(left) + _compose(right)
    return " "


def _list_readings(text: str) -> Iterator[str]:
    """Other ways in which a model would read a text: backwards, in figures for letters, spelled, encoded."""
    yield text[::-1]
    yield codecs.encode(text, "rot13")
    if _FIGURE_IN_WORD.search(text):
        yield text.translate(_FIGURES)
    if _SPELLED.search(text):
        yield _SPELLED.sub(lambda match: match.group().replace(" ", "") + " ", text)
    for encoded in _ENCODED.findall(text):
        try:
            yield base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
