"""Ranks files by their relevance to a request: BM25 over the words of path and text, code first.

BM25 is that of Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009). ``bench/context.py``
compares it with other orders. References between files and a bonus for definitions did not find more of the
files that a change touches.
"""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from statistics import fmean

from orchestrator.flows.context.symbols import is_code
from orchestrator.flows.context.words import count_words

SATURATION = 1.2
"""``k1`` of BM25: how soon more occurrences of a word stop counting."""
LENGTH_SHARE = 0.75
"""``b`` of BM25: how much more often a word must occur in a long file to count as much."""

_PROSE = frozenset({".md", ".rst", ".txt", ".adoc", ".html", ".css"})
_DATA = frozenset(
    {".json", ".csv", ".tsv", ".svg", ".xml", ".po", ".pot", ".lock", ".map", ".snap", ".ipynb", ".sum"}
)
_LOGS = ("change", "history", "news", "release", "author", "contributor", "licen", "copying")


def rank_files(texts: Mapping[str, str], request: str) -> list[str]:
    """The paths of ``texts``, the most relevant to ``request`` first; equally relevant files by path."""
    # A changelog mentions every word. Counted with the code, it would also make rare words look common.
    code = {path: text for path, text in texts.items() if _is_readable_code(path)}
    rest = {path: text for path, text in texts.items() if path not in code}
    code_scores = score_files(code, request)
    rest_scores = {path: score * _weigh_kind(path) for path, score in score_files(rest, request).items()}
    return [*_sort_paths(code_scores), *_sort_paths(rest_scores)]


def score_files(texts: Mapping[str, str], request: str) -> dict[str, float]:
    """The BM25 score of each path for ``request``; 0 where no word of the request occurs."""
    if not texts:
        return {}
    counts = {path: count_words(path) + count_words(text) for path, text in texts.items()}
    lengths = {path: words.total() for path, words in counts.items()}
    average_length = fmean(lengths.values()) or 1.0
    rarity = _weigh_words(counts, request)
    scores = {}
    for path, words in counts.items():
        length_factor = 1 - LENGTH_SHARE + LENGTH_SHARE * lengths[path] / average_length
        scores[path] = sum(
            weight * words[word] * (SATURATION + 1) / (words[word] + SATURATION * length_factor)
            for word, weight in rarity.items()
            if words[word]
        )
    return scores


def _weigh_words(counts: Mapping[str, Counter[str]], request: str) -> dict[str, float]:
    """Each word of the request with its weight: the fewer files have it, the more it counts."""
    weights = {}
    # In the order of the request: a sum of floats depends on it, and equal input must give equal bytes.
    for word in count_words(request):
        holding = sum(1 for words in counts.values() if word in words)
        weights[word] = math.log(1 + (len(counts) - holding + 0.5) / (holding + 0.5))
    return weights


def _sort_paths(scores: Mapping[str, float]) -> list[str]:
    # Rounded: the last bits of a logarithm differ between machines and must not decide.
    return sorted(scores, key=lambda path: (-round(scores[path], 9), path))


def _is_readable_code(path: str) -> bool:
    # A minified file is code that nobody reads, on one line that would fill the budget.
    return is_code(path) and ".min." not in PurePosixPath(path).name.lower()


def _weigh_kind(path: str) -> float:
    """A factor that puts prose before data; change logs mention everything and show nothing."""
    pure = PurePosixPath(path.lower())
    if pure.suffix in _DATA or ".min." in pure.name or pure.name.startswith(_LOGS):
        return 0.1
    if pure.suffix in _PROSE:
        return 0.25
    return 0.5
