"""``python -m tests.style.words [PATH ...]``: words and turns that do not belong in this project, and what to
say instead.

Reads code, tests, documentation, templates and prompts. Each finding is printed as ``path:line: found ->
say``; the exit code is 1 when there is one. ``--list`` prints the list itself.
"""

import argparse
import bisect
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A pattern, matched without regard to case, and what a native technical writer says instead. A space in a
# pattern also matches a line break, with the comment sign of the next line.
WORDS = {
    # Archaic words.
    r"mend(s|ed|ing|er|ers|able)?": "fix",
    r"anew|afresh": "again",
    r"whoever|whomever": "the person who, anyone who, the process that",
    r"whatever": "everything that, regardless of",
    r"lest": "so that ... does not",
    r"thereof|therein|thereby|whereof|wherein|whereby|herein|hereby": "of it, in it, by which",
    r"nought|ought to": "zero, should",
    r"betimes|erstwhile|hitherto|henceforth": "early, former, until now, from now on",
    r"forbid(s|den)? to": "not allowed to",
    # Turns of other languages or of another century.
    r"(is|are|was|were) no(?= \w)": "is not, is not a",
    r"of (ours|yours|theirs|hers|his)(?! own)": "our, internal",
    r"of then": "the original",
    r"of late": "recently",
    r"of (a|an|the|each|every|this|that|its|their|our) [\w-]+'s own": "its own",
    r"nobody knows": "it is not known, unknown",
    r"(at|is|are) nobody's": "does not belong to anyone",
    r"told apart|tells? [\w ]{0,20}\bapart|telling apart": "distinguished",
    r"(comes|came|come) to(?= (a|an|the|\d|about|zero|nothing|more|less|no|that|what|"
    r"\w+ (USD|tokens|bytes|seconds))\b)": "adds up to, amounts to, reaches",
    r"what (it|each|they|all|everything|\w+) (comes|came|come) to": "the result of",
    r"in the same breath": "at the same time",
    r"what follows for (it|them|each)": "what to do about it",
    r"so far as": "as far as, where",
    r"(is|are|was|be) to be had|(may|can|could|might|must) be had": "is available",
    r"in mid[ -](?!air)\w+": "during",
    r"without a word": "silently",
    r"in silence": "silently",
    r"in vain": "without success",
    r"for want of": "without",
    r"save (for|that)": "except",
    r"(nothing|none|nobody|everything|everybody|everyone|anything) but(?! (also|not))": (
        "only, everything except"
    ),
    r"some (hundred|dozen|thousand)": "a few hundred, about a hundred",
    r"(has|have) not(?=[.,;:])": "does not have",
    r"but for": "except for, except",
    r"nothing of": "none of, no part of",
    r"(is|are) of (the|a|an|no|another|some)(?= )": "belongs to, is from",
    r"(is|are|it|block|found) wanting": "falls short, failed",
    r"(become|becomes|became) of": "happens to",
    r"(is|are) against": "protects against",
    r"the like of": "such as",
    r"at a stroke": "at once",
    r"of a sudden": "suddenly",
    r"makes? bold": "dares",
    r"(held|hold|holds|holding) (it |them |this |that |each |one )?against": "compare with, check against",
    r"makes? do with": "uses",
    r"as good as(?! (a|any)\b)": "almost",
    # Verbs of place for things that have no body.
    r"(stands?|stood|standing)(?= (in(?! for)|at|on|under|beside|besides|there|here|below|above|between|"
    r"behind|before|within|twice|once|first|last|as|where|with)\b)": "is, is written",
    r"(lies|lain)": "is, is stored",
    r"lie(?= (in|at|on|under|beside|there|here|below|above|between|behind|within|outside|inside)\b)": (
        "are, are stored"
    ),
    r"(goes|go|going|went|gone) on": "continue",
}
# Names that say nothing about what a module holds, or say it by a picture.
MODULES = {
    "utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "stuff", "lib",
    "leaving", "world", "turns", "moves", "shown", "held", "dues", "asking", "room", "writing",
    "surroundings", "outlasting",
}  # fmt: skip
SUFFIXES = {
    ".py",
    ".md",
    ".html",
    ".txt",
    ".sql",
    ".toml",
    ".yml",
    ".yaml",
    ".ini",
    ".cfg",
    ".js",
    ".css",
    ".sh",
    ".in",
}
NAMES = {"Makefile", "Procfile", "run"}
LEFT_OUT = (
    # Answers of simulated models and the repos that they are about are data, and so are scripts that attack
    # the sandbox.
    re.compile(r"samples/[^/]+/(answers|repo|block)/"),
    re.compile(r"gates/sandbox/attacks/scripts/"),
    re.compile(r"tests/gates/adversarial/honest/"),
    # What a model was asked is kept as it was: a better text is a new version of the prompt.
    re.compile(r"\.v1\.md$"),
    re.compile(r"requirements[\w-]*\.txt$"),
    re.compile(r"^bench/results/"),
    re.compile(r"/static/.*vendor/"),
    re.compile(r"^tests/style/(test_)?words\.py$"),
)
# Good English that a pattern above would find too.
KEPT = re.compile(
    r"\bthere +(is|are|was|were) +no\b"
    r"|\b(is|are|was|were) +no +(longer|more|less|fewer|better|worse|larger|smaller|different)\b"
    r"|\b[\w']+ +of +(his|hers|ours|theirs) +own\b",
    re.IGNORECASE,
)
# A line break, with the comment sign and the indentation of the next line.
BREAK = re.compile(r"[ \t]*\n[ \t]*(?:#+|--|//|\*|>)?[ \t]*")


@dataclass(frozen=True)
class Finding:
    """A word that does not belong: where it is, and what to say instead."""

    path: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found!r} -> {self.instead}"


def compile_pattern(words: str) -> re.Pattern[str]:
    """The pattern for ``words`` in lower case, with any spaces between them and the end of a word after them.

    It says nothing of what is before them: with a condition there it would be tried at every character.
    """
    spaced = re.sub(r" (?![^\[]*\])", " +", words).replace("USD", "usd")
    # An underscore ends a word too: names in code are read like text.
    return re.compile(rf"(?:{spaced})(?![^\W_])")


def find_matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The matches of ``pattern`` in ``text`` that begin with a word."""
    at = 0
    while match := pattern.search(text, at):
        is_inside_word = text[match.start() - 1 : match.start()].isalnum()
        at = match.start() + 1 if is_inside_word else match.end()
        if not is_inside_word:
            yield match


# Characters outside ASCII keep their case: some of them would change the length of the text.
LOWERED = {ord(letter): letter.lower() for letter in string.ascii_uppercase}
PATTERNS = [(compile_pattern(words), instead) for words, instead in WORDS.items()]


def find_words(text: str, path: str) -> Iterator[Finding]:
    """Every word of the list in ``text``, the content of the file ``path``, in no particular order."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    # Spaces in place of each break, as many as it has characters: a turn may run over two lines, and places
    # stay true.
    flowing = BREAK.sub(lambda match: " " * len(match[0]), text)
    kept = [match.span() for match in KEPT.finditer(flowing)]
    lowered = flowing.translate(LOWERED)
    for pattern, instead in PATTERNS:
        for match in find_matches(pattern, lowered):
            if not any(start <= match.start() and match.end() <= end for start, end in kept):
                line = bisect.bisect_left(breaks, match.start()) + 1
                found = flowing[match.start() : match.end()]
                yield Finding(path, line, " ".join(found.split()), instead)


def find_module_names(path: str) -> Iterator[Finding]:
    """The module or folder names in ``path`` that say nothing."""
    for part in Path(path).with_suffix("").parts:
        if path.endswith(".py") and part in MODULES:
            yield Finding(path, 1, part, "a noun of the field")


def list_files(root: Path, folders: list[str]) -> list[str]:
    """The files under version control below ``folders`` whose words count, sorted; new ones count before they
    are added.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(
        name
        for name in set(names)
        if (Path(name).suffix in SUFFIXES or Path(name).name in NAMES)
        and not any(pattern.search(name) for pattern in LEFT_OUT)
        and (root / name).is_file()
    )


def check_files(root: Path, folders: list[str]) -> list[Finding]:
    """Everything that does not belong in the files below ``folders``, in the order of path and line."""
    findings: list[Finding] = []
    for name in list_files(root, folders):
        findings += find_words((root / name).read_text(encoding="utf-8"), name)
        findings += find_module_names(name)
    return sorted(findings, key=lambda finding: (finding.path, finding.line))


def main(argv: list[str]) -> int:
    """Print the findings and how many there are."""
    parser = argparse.ArgumentParser(prog="python -m tests.style.words")
    parser.add_argument("paths", nargs="*", default=["."])
    parser.add_argument("--list", action="store_true", help="print the words and what to say instead")
    asked = parser.parse_args(argv)
    if asked.list:
        sys.stdout.writelines(f"{words:60} {instead}\n" for words, instead in WORDS.items())
        return 0
    findings = check_files(ROOT, asked.paths)
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    sys.stdout.write(f"{len(findings)} places\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
