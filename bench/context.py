"""How often the files that a change touched are in the context bundle, beside plain recency and beside BM25.

The changes are those of ``context_changes``; the budget is a tenth of the older release, 180 KB at most.
Recall is the mean over changes of the share of touched files that is shown. ``recall`` counts a file that is
shown in any way, ``recall_whole_files`` only those shown from their first line to their last.

The rivals choose among Python files only, as the touched ones are: a changelog mentions every word, and would
fill their budget alone. *Recency* is the newest time of modification first, as the archive has it; builders
that give all files one time leave the order of the paths. *BM25 alone* ranks by the words of text and path
(k1 1.2, b 0.75, the same splitting of identifiers). Both show whole files until the budget ends within one.
``recall_bm25_same_packing`` is their BM25 under our packing; it differs from ours in that ours also shows
files that are not Python.

``recall_without_outlines`` has our order, shown as the rivals show theirs. A difference from BM25 under the
same packing comes with the middle 95 % of 10,000 bootstrap draws of packages, for changes of one package are
not independent. Writes ``bench/results/context.json``; 1 where a goal is missed.
"""

import math
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from importlib.metadata import version
from statistics import fmean

from bench.context_changes import DEVELOPMENT, SHARE, Change, read_changes
from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.scale import choose_size
from orchestrator.flows.context import build_bundle
from orchestrator.flows.context.bundle import read_text
from orchestrator.flows.context.packing import pack_files
from orchestrator.flows.context.ranking import rank_files
from orchestrator.flows.context.words import count_words

GOALS: Goals = {
    "changes": at_least(40),
    "over_budget_bundles": at_most(0, exact=True),
    "seconds_per_5mb": at_most(3.0),
    "recall_vs_bm25": at_least(1.0),
    "recall_vs_recency": at_least(1.0),
}
ARMS = (
    "bm25_same_packing",
    "without_outlines",
    "whole_files",
    "bm25",
    "recency",
)
DRAWS = choose_size(full=10_000, small=100)


# --- the rankings


def bm25_order(texts: Mapping[str, str], request: str) -> list[str]:
    """Robertson's BM25 over text and path."""
    documents = {path: count_words(path) + count_words(text) for path, text in sorted(texts.items())}
    average = fmean(counts.total() for counts in documents.values())
    holding = Counter(word for counts in documents.values() for word in counts)
    wanted = count_words(request)

    def score(path: str) -> float:
        counts = documents[path]
        norm = 1.2 * (0.25 + 0.75 * counts.total() / average)
        return sum(
            math.log(1 + (len(documents) - holding[word] + 0.5) / (holding[word] + 0.5))
            * counts[word]
            * 2.2
            / (counts[word] + norm)
            for word in wanted
            if counts[word]
        )

    return sorted(documents, key=lambda path: (-score(path), path))


def filled(order: list[str], texts: Mapping[str, str], budget: int) -> frozenset[str]:
    """Whole files in order, the last one cut."""
    shown = []
    for path in order:
        if budget <= 0:
            break
        shown.append(path)
        budget -= len(texts[path].encode()) + len(path) + 7
    return frozenset(shown)


def share(touched: frozenset[str], shown: frozenset[str]) -> float:
    return len(touched & shown) / len(touched)


def measured(change: Change) -> dict[str, float]:
    """Recall of each way for one change, and by how much the bundle left its budget."""
    texts = {
        path: text for path, content in change.files.items() if (text := read_text(path, content)) is not None
    }
    bundle = build_bundle(change.files, change.request, max_bytes=change.budget, pruning=True)
    code = {path: text for path, text in texts.items() if path.endswith(".py")}
    ours = rank_files(texts, change.request)
    by_words = bm25_order(code, change.request)
    recent = sorted(code, key=lambda path: (-change.modified[path], path))

    def packed(order: list[str]) -> float:
        return share(change.touched, frozenset(pack_files(order, texts, change.budget, lambda _: None).paths))

    def whole(order: list[str]) -> float:
        return share(change.touched, filled(order, texts, change.budget))

    return {
        "ours": share(change.touched, frozenset(bundle.included)),
        "whole_files": share(change.touched, frozenset(bundle.included) - frozenset(bundle.outlined)),
        "without_outlines": whole(ours),
        "bm25": whole(by_words),
        "bm25_same_packing": packed(by_words),
        "recency": whole(recent),
        "over": float(bundle.size > change.budget),
        "fill": bundle.size / change.budget,
    }


# --- the summary


Measured = list[tuple[Change, dict[str, float]]]


def interval(results: Measured, first: str, second: str) -> tuple[float, float]:
    """The middle 95 % of the mean difference of two ways, in draws of as many packages as there are, with
    replacement.
    """
    by_package: dict[str, list[float]] = defaultdict(list)
    for change, one in results:
        by_package[change.package].append(one[first] - one[second])
    groups, draw = list(by_package.values()), random.Random(1)
    means = sorted(
        fmean(value for group in draw.choices(groups, k=len(groups)) for value in group) for _ in range(DRAWS)
    )
    return round(means[int(0.025 * DRAWS)], 4), round(means[int(0.975 * DRAWS)], 4)


def recalls(results: Measured, suffix: str = "") -> dict[str, float]:
    """Every way's mean, and ours against BM25 under the same packing."""
    mean = {key: fmean(one[key] for _, one in results) for key in ("ours", *ARMS)}
    low, high = interval(results, "ours", "bm25_same_packing")
    return {
        f"recall{suffix}": round(mean["ours"], 4),
        **{f"recall{suffix}_{key}": round(mean[key], 4) for key in ARMS},
        f"recall{suffix}_vs_bm25": round(mean["ours"] / mean["bm25"], 3),
        f"recall{suffix}_vs_bm25_same_packing": round(mean["ours"] / mean["bm25_same_packing"], 3),
        f"recall{suffix}_vs_recency": round(mean["ours"] / mean["recency"], 3),
        f"recall{suffix}_minus_bm25_same_packing_low": low,
        f"recall{suffix}_minus_bm25_same_packing_high": high,
    }


# --- size and time


def five_megabytes(sources: list[Change]) -> dict[str, bytes]:
    """Files of all packages side by side, up to 5 MB."""
    files: dict[str, bytes] = {}
    room = 5_000_000
    for change in sources:
        for path, content in change.files.items():
            name = f"{change.package}/{path}"
            if name not in files and len(content) <= room:
                files[name] = content
                room -= len(content)
    return files


def over_budget(files: Mapping[str, bytes]) -> tuple[int, int]:
    """Bundles of many sizes that are over, and how many were built."""
    draw = random.Random(1)
    some = dict(sorted(files.items())[::7])
    sizes = [1, 79, 80, 81, 1000, *(draw.randrange(100, 200_000) for _ in range(35))]
    built = [
        build_bundle(some, "request header cookie parser", max_bytes=size, pruning=True).size > size
        for size in sizes
    ]
    return sum(built), len(built)


def seconds(run: Callable[[], object]) -> float:
    """Of the processor, the median of three: the work is of one thread, and the machine may have others."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return sorted(taken)[1]


def main() -> int:
    """Measure, write, and fail where a goal is missed."""
    found = read_changes()
    results = [(change, measured(change)) for change in found]
    for change, one in results:
        columns = "  ".join(f"{key} {one[key]:.2f}" for key in ("ours", *ARMS))
        sys.stdout.write(f"{change.name:22} {len(change.touched):3} touched  {columns}\n")
    held_out = [(change, one) for change, one in results if change.package not in DEVELOPMENT]
    development = [(change, one) for change, one in results if change.package in DEVELOPMENT]
    files = five_megabytes(found)
    over, built = over_budget(files)
    result = {
        "changes": len(results),
        "changes_held_out": len(held_out),
        "packages": len({change.package for change in found}),
        "files_touched": sum(len(change.touched) for change in found),
        "budget_share": SHARE,
        "over_budget_bundles": over + int(sum(one["over"] for _, one in results)),
        "bundles_built": built + len(results),
        "budget_filled_min": round(min(one["fill"] for _, one in results), 5),
        "seconds_per_5mb": round(
            seconds(lambda: build_bundle(files, found[0].request, max_bytes=180_000, pruning=True)), 2
        ),
        "bytes_timed": sum(len(content) for content in files.values()),
        **recalls(results),
        **recalls(held_out, "_held_out"),
        **recalls(development, "_development"),
        "tree_sitter_version": version("tree-sitter"),
        "detect_secrets_version": version("detect-secrets"),
        "python_version": sys.version.split()[0],
    }
    write_results("context", result)
    return judge_results(result, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())
