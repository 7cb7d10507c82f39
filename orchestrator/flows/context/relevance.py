"""Which files matter for a request: its words (BM25 over path, definitions and text), then what refers to what (PageRank).

BM25F after Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009); PageRank personalised by the words' scores, so
that what is wired to a relevant file counts too. Sums run in the order of the paths and scores are rounded: the same files give
the same order everywhere.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.flows.context.symbols import find_definitions, is_code
from orchestrator.flows.context.words import IDENTIFIER, count_identifiers, split_identifier


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much; chosen on the first seven packages of ``RELEASES`` in ``bench/context_changes.py`` only."""

    path: float = 4.0
    defined: float = 2.0
    named: float = 3.0
    """For a file that defines what the request names in code."""
    saturation: float = 1.2
    length: float = 0.5
    damping: float = 0.3
    graph: float = 0.2
    """Of PageRank in the sum; the rest is the words'."""


WEIGHTS = Weights()
_ROUNDS = 12
_MAX_DEFINERS = 4
_PAIR = 3.0
_CODE = re.compile(r"`+([^`\n]+)`+|([\w.]+)\(|\b(\w+_\w+|\w*[a-z]\w*[A-Z]\w*|[A-Z]\w*[a-z]\w*[A-Z]\w*)\b")
_PROSE = frozenset({".md", ".rst", ".txt", ".adoc", ".html", ".css"})
_DATA = frozenset(
    {".json", ".csv", ".tsv", ".svg", ".xml", ".po", ".pot", ".lock", ".map", ".snap", ".ipynb", ".sum"}
)
_LOGS = ("change", "history", "news", "release", "author", "contributor", "licen", "copying")


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    counts: Mapping[str, int]
    defined: tuple[str, ...]
    length: int


def rank_files(texts: Mapping[str, str], request: str, weights: Weights = WEIGHTS) -> list[str]:
    """The paths of ``texts``, most relevant to ``request`` first; equals by path."""
    files = [_read(path, texts[path]) for path in sorted(texts)]
    by_words = _share(
        [
            _kind(file.path) * score
            for file, score in zip(files, _by_words(files, request, weights), strict=True)
        ]
    )
    by_graph = _share(
        [_kind(file.path) * score for file, score in zip(files, _walk(files, by_words, weights), strict=True)]
    )
    scores = [
        (1 - weights.graph) * own + weights.graph * linked
        for own, linked in zip(by_words, by_graph, strict=True)
    ]
    order = sorted(zip(files, scores, strict=True), key=lambda pair: (-round(pair[1], 9), pair[0].path))
    return [file.path for file, _ in order]


def _read(path: str, text: str) -> _File:
    counts = count_identifiers(text)
    return _File(
        path, counts, tuple(dict.fromkeys(one.name for one in find_definitions(path, text))), counts.total()
    )


def _kind(path: str) -> float:
    """Code before prose before data; logs of changes mention everything and show nothing."""
    pure = PurePosixPath(path.lower())
    if pure.suffix in _DATA or ".min." in pure.name or pure.name.startswith(_LOGS):
        return 0.1
    if is_code(path):
        return 1.0
    return 0.25 if pure.suffix in _PROSE else 0.5


def _share(scores: list[float]) -> list[float]:
    most = max(scores, default=0.0)
    return [score / most for score in scores] if most > 0 else scores


# --- words


def _by_words(files: list[_File], request: str, weights: Weights) -> list[float]:
    wanted = _weighted(request)
    average = sum(file.length for file in files) / len(files) if files else 1.0
    matched = _matches(files, wanted)
    found = [_frequencies(file, matched, average, weights) for file in files]
    seen = Counter(word for one in found for word in one)
    rarity = {word: math.log(1 + (len(files) - count + 0.5) / (count + 0.5)) for word, count in seen.items()}
    scores = [
        sum(wanted[word] * rarity[word] * count / (count + weights.saturation) for word, count in one.items())
        for one in found
    ]
    return [
        score + weights.named * bonus for score, bonus in zip(scores, _named(files, request), strict=True)
    ]


def _weighted(request: str) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for identifier, count in count_identifiers(request).items():
        for word in split_identifier(identifier):
            counts[word] += count
    return {word: 1 + math.log(count) for word, count in counts.items()}


def _matches(files: list[_File], wanted: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Identifier to the words of the request in it, for those that have any."""
    known: dict[str, tuple[str, ...]] = {}
    for file in files:
        for identifier in file.counts:
            if identifier not in known:
                known[identifier] = tuple(word for word in split_identifier(identifier) if word in wanted)
        for part in IDENTIFIER.findall(file.path):
            known.setdefault(part, tuple(word for word in split_identifier(part) if word in wanted))
    return {identifier: words for identifier, words in known.items() if words}


def _frequencies(
    file: _File, matched: Mapping[str, tuple[str, ...]], average: float, weights: Weights
) -> dict[str, float]:
    """Word to its weighted frequency: text by its length, definitions and path as they are."""
    norm = 1 - weights.length + weights.length * file.length / (average or 1.0)
    found: dict[str, float] = {}
    for identifier, count in file.counts.items():
        for word in matched.get(identifier, ()):
            found[word] = found.get(word, 0.0) + count / norm
    for share, names in (
        (weights.defined / norm, file.defined),
        (weights.path, IDENTIFIER.findall(file.path)),
    ):
        for name in names:
            for word in matched.get(name, ()):
                found[word] = found.get(word, 0.0) + share
    return found


def _named(files: list[_File], request: str) -> list[float]:
    """How rare the definitions are that a file has and the request names as code."""
    spans = (part for match in _CODE.findall(request) for part in match if part)
    names = dict.fromkeys(name for span in spans for name in IDENTIFIER.findall(span) if len(name) > 2)
    definers = Counter(name for file in files for name in file.defined if name in names)
    return [
        sum(
            math.log(1 + len(files) / definers[name]) / definers[name]
            for name in file.defined
            if name in names
        )
        for file in files
    ]


# --- references


def _walk(files: list[_File], start: list[float], weights: Weights) -> list[float]:
    """PageRank from the files that the words point to, along references in both directions."""
    total = sum(start)
    if not total:
        return start
    seed = [score / total for score in start]
    edges = _edges(files)
    out = [sum(share for _, share in each) for each in edges]
    rank = seed
    for _ in range(_ROUNDS):
        fresh = [(1 - weights.damping) * own for own in seed]
        lost = 0.0
        for place, each in enumerate(edges):
            if not each:
                lost += rank[place]
                continue
            unit = weights.damping * rank[place] / out[place]
            for target, share in each:
                fresh[target] += unit * share
        rank = [score + weights.damping * lost * own for score, own in zip(fresh, seed, strict=True)]
    return rank


def _edges(files: list[_File]) -> list[list[tuple[int, float]]]:
    """File to (file, weight) of what it refers to or is referred to by. A name that many files define says little: left out."""
    definers: dict[str, list[int]] = {}
    for place, file in enumerate(files):
        for name in file.defined:
            if len(name) > 3 and not name.startswith("__"):
                definers.setdefault(name, []).append(place)
    telling = {name: places for name, places in definers.items() if len(places) <= _MAX_DEFINERS}
    users = Counter(name for file in files for name in file.counts if name in telling)
    edges: list[dict[int, float]] = [{} for _ in files]
    for place, file in enumerate(files):
        for name, count in file.counts.items():
            for target in telling.get(name, ()):
                if target != place:
                    weight = (
                        math.sqrt(min(count, 16))
                        * math.log(1 + len(files) / users[name])
                        / len(telling[name])
                    )
                    _join(edges, place, target, weight)
    for one, other in _pairs(files):
        _join(edges, one, other, _PAIR * math.log(1 + len(files)))
    return [sorted(each.items()) for each in edges]


def _join(edges: list[dict[int, float]], one: int, other: int, weight: float) -> None:
    edges[one][other] = edges[one].get(other, 0.0) + weight
    edges[other][one] = edges[other].get(one, 0.0) + weight / 2


def _pairs(files: list[_File]) -> Iterable[tuple[int, int]]:
    """A test and what it is named after."""
    by_stem: dict[str, list[int]] = {}
    for place, file in enumerate(files):
        by_stem.setdefault(PurePosixPath(file.path).stem.lower().strip("_"), []).append(place)
    for stem, places in by_stem.items():
        subject = stem.removeprefix("test_").removesuffix("_test").removesuffix(".test").removesuffix(".spec")
        if subject != stem:
            for one in places:
                for other in by_stem.get(subject, [])[:_MAX_DEFINERS]:
                    yield one, other
