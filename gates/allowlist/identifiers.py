"""Names and characters that read like others: what a person reads must be what Python runs."""

import ast
import io
import tokenize
import unicodedata
from collections.abc import Iterator

from gates.allowlist.refusals import Refusal

# Letters of other scripts that look like a Latin one in common fonts (Unicode TS 39, confusables).
_LOOK_LATIN = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0432\u043a\u043c"
    "\u043d\u0442\u0433\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408"
    "\u0405\u03bf\u03bd\u03c5\u03ba\u03b9\u03c1\u03b1\u03b3\u03c9\u03c4\u0391\u0392\u0395\u0396\u0397\u0399"
    "\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0578\u057d\u0585\u0566\u0563\u056f"
)
# Latin letters that are not accented ASCII letters and still plain to a reader.
_PLAIN_LATIN = frozenset(
    "\u00df\u00e6\u00c6\u00f8\u00d8\u0153\u0152\u0111\u0110\u0142\u0141\u00fe\u00de\u00f0\u00d0"
)
# One word each for what a single Greek letter stands for in formulas.
_FORMULA_LETTERS = frozenset("\u03b1\u03b3\u03bd\u03c1\u03c4\u03c9\u03ba\u03b9")
# What looks the same in common fonts.
_SAME_SHAPES = str.maketrans("I1O", "ll0")
_LONGEST_SYMBOL = 2
# Characters that nobody sees: joiners, direction marks, tags.
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Co", "Cn"})


def find_confusable(tree: ast.Module, source: str) -> Iterator[Refusal]:
    """Identifiers that look like others, and invisible characters anywhere in the file."""
    for node in ast.walk(tree):
        for name in _names_of(node):
            if not name.isascii() and _is_confusable(name):
                message = f"the name {name!a} has letters that look like others; write it in ASCII letters"
                yield Refusal(node, "confusable", message)
    yield from _find_twins(tree)
    yield from _find_odd_spellings(source)
    for number, line in enumerate(source.splitlines(), start=1):
        # Python reads identifiers in their compatibility form, and a person reads the characters.
        if not line.isascii() and (hidden := _find_invisible(line)):
            place = ast.Pass(lineno=number, end_lineno=number)
            yield Refusal(
                place, "invisible", f"the line has the invisible character {hidden}; write it as an escape"
            )


def _find_twins(tree: ast.Module) -> Iterator[Refusal]:
    """Names of one file that differ only in letters of the same shape: ``total1`` and ``totall``."""
    first: dict[str, str] = {}
    for node in ast.walk(tree):
        for name in _names_of(node):
            shape = name.translate(_SAME_SHAPES)
            other = first.setdefault(shape, name)
            # Letters of formulas stand alone.
            if other != name and len(name) > _LONGEST_SYMBOL:
                message = f"the names {other} and {name} look the same; choose another for one of them"
                yield Refusal(node, "confusable", message)


def _find_odd_spellings(source: str) -> Iterator[Refusal]:
    """Names that Python reads otherwise than they are written, in mathematical or wide letters."""
    if source.isascii():
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and unicodedata.normalize("NFKC", token.string) != token.string:
            place = ast.Pass(lineno=token.start[0], end_lineno=token.end[0])
            message = f"Python reads the name {token.string!a} as another; write it in ASCII letters"
            yield Refusal(place, "confusable", message)


def _names_of(node: ast.AST) -> Iterator[str]:
    for field in ("id", "attr", "arg", "name", "asname", "module", "rest"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value
    for field in ("names", "kwd_attrs"):
        yield from (value for value in getattr(node, field, []) if isinstance(value, str))


def _is_confusable(name: str) -> bool:
    letters = [character for character in name if not character.isascii()]
    ascii_letters = any(character.isascii() and character.isalpha() for character in name)
    foreign = [letter for letter in letters if not _is_plain_latin(letter)]
    if not foreign:
        return False
    # Latin letters of odd shapes, and scripts side by side in one word.
    if ascii_letters or any("LATIN" in unicodedata.name(letter, "") for letter in foreign):
        return any(letter in _LOOK_LATIN for letter in foreign) or not _is_formula(foreign)
    return all(letter in _LOOK_LATIN for letter in foreign) and not (
        len(foreign) == 1 and foreign[0] in _FORMULA_LETTERS
    )


def _is_formula(foreign: list[str]) -> bool:
    """``\u0394x`` and ``\u03c3_max``: one Greek letter before or between plain words."""
    return len(foreign) == 1 and "GREEK" in unicodedata.name(foreign[0], "")


def _is_plain_latin(letter: str) -> bool:
    base = unicodedata.normalize("NFD", letter)
    return letter in _PLAIN_LATIN or (base[0].isascii() and base[0].isalpha())


def _find_invisible(line: str) -> str:
    for character in line:
        if not character.isascii() and unicodedata.category(character) in _INVISIBLE_CATEGORIES:
            return f"U+{ord(character):04X}"
    return ""
