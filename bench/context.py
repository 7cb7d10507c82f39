"""How often the files that a change touched are in the context bundle, beside plain recency and beside BM25 alone.

The changes are consecutive releases of packages from the index: the request is what the newer release added to its changelog,
the repo is the older release, and touched are the Python files, tests included, that both have and that differ in more than
their version. The budget is a tenth of the older release, 180 KB at most. ``WEIGHTS`` and the shares of ``packing`` were
chosen on the packages of ``DEVELOPMENT`` only; ``recall_held_out`` is of the others. ``recall`` counts a file that is shown
in any way, ``recall_whole_files`` only those shown from their first line to their last.

Both rivals choose among code only: a changelog mentions every word, and would fill their budget alone. *Recency* is the
newest time of modification first, as the archive has it; builders that give all files one time leave the order of the paths.
*BM25 alone* ranks by the words of text and path (k1 1.2, b 0.75, the same splitting of identifiers). Both show whole files
until the budget ends within one, as the bundle would without outlines; ``recall_bm25_same_packing`` is BM25's order under our
packing. Downloads go to ``bench/.cache``. Writes ``bench/results/context.json``.
"""

import json
import math
import random
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path, PurePosixPath
from statistics import fmean

from orchestrator.flows.context import build
from orchestrator.flows.context.bundle import readable
from orchestrator.flows.context.packing import pack
from orchestrator.flows.context.words import words

BENCH = Path(__file__).resolve().parent
CACHE, INSTALLER = BENCH / ".cache", BENCH / ".venvs" / "pip"
DEVELOPMENT = frozenset({"werkzeug", "jinja2", "marshmallow", "click", "markdown", "trio", "paramiko"})
RELEASES: dict[str, tuple[str, ...]] = {
    "werkzeug": ("3.0.1", "3.0.2", "3.0.3", "3.0.4"),
    "jinja2": ("3.1.2", "3.1.3"),
    "marshmallow": ("3.21.1", "3.21.2", "3.21.3", "3.22.0"),
    "click": ("8.1.4", "8.1.5", "8.1.6", "8.1.7"),
    "markdown": ("3.5.1", "3.5.2", "3.6"),
    "trio": ("0.23.0", "0.23.1", "0.23.2"),
    "paramiko": ("3.3.0", "3.3.1", "3.4.0"),
    "sphinx": ("7.2.3", "7.2.4", "7.2.5", "7.2.6"),
    "pytest": ("7.4.1", "7.4.2", "7.4.3", "7.4.4"),
    "scrapy": ("2.11.0", "2.11.1", "2.11.2"),
    "celery": ("5.3.4", "5.3.5", "5.3.6"),
    "urllib3": ("2.0.4", "2.0.5", "2.0.6", "2.0.7"),
}
LARGEST_BUDGET, SHARE = 180_000, 0.1
_LOGS = ("changes", "changelog", "history", "news")
_MADE_BY_BUILDS = ("PKG-INFO", "SOURCES.txt")


@dataclass(frozen=True, slots=True)
class Change:
    """One release after another."""

    package: str
    name: str
    files: Mapping[str, bytes]
    modified: Mapping[str, float]
    request: str
    touched: frozenset[str]

    @property
    def budget(self) -> int:
        return min(LARGEST_BUDGET, int(SHARE * sum(len(content) for content in self.files.values())))


# --- the releases


def installer() -> Path:
    """A Python with pip, for downloads only: ours may have none."""
    python = INSTALLER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(INSTALLER)], check=True)
    return python


def archive(package: str, release: str) -> Path:
    """The source distribution, downloaded once."""
    found = [path for path in CACHE.glob("*.tar.gz") if path.name.lower() == f"{package}-{release}.tar.gz"]
    if not found:
        CACHE.mkdir(exist_ok=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-binary", ":all:", "--no-deps", "--dest", str(CACHE)]
        subprocess.run([str(installer()), "-m", "pip", "download", *options, f"{package}=={release}"], check=True)
        found = [path for path in CACHE.glob("*.tar.gz") if path.name.lower() == f"{package}-{release}.tar.gz"]
    return found[0]


def unpacked(path: Path) -> tuple[dict[str, bytes], dict[str, float]]:
    """Path to content and to time of modification, without the folder on top and what builds add."""
    files, modified = {}, {}
    with tarfile.open(path) as tar:
        for member in tar:
            inner = PurePosixPath(member.name).parts[1:]
            made = not inner or inner[-1] in _MADE_BY_BUILDS or any(part.endswith(".egg-info") for part in inner)
            if member.isfile() and not made and (opened := tar.extractfile(member)) is not None:
                files["/".join(inner)], modified["/".join(inner)] = opened.read(), float(member.mtime)
    return files, modified


def changes() -> list[Change]:
    """Every pair of consecutive releases that has notes and touches a file which is there before."""
    found = []
    for package, releases in RELEASES.items():
        for before, after in pairwise(releases):
            old, modified = unpacked(archive(package, before))
            new, _ = unpacked(archive(package, after))
            request, touched = notes(old, new), differing(old, new, before, after)
            if request and touched:
                found.append(Change(package, f"{package} {after}", old, modified, request, touched))
    return found


def notes(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
    """The lines that the newer release has in its changelogs and the older has not."""
    added = []
    for path in sorted(new):
        pure = PurePosixPath(path.lower())
        if pure.suffix in {"", ".rst", ".md", ".txt"} and pure.stem.startswith(_LOGS):
            known = set(old.get(path, b"").decode("utf-8", "replace").splitlines())
            added += [line for line in new[path].decode("utf-8", "replace").splitlines() if line not in known]
    return "\n".join(added).strip()


def differing(old: Mapping[str, bytes], new: Mapping[str, bytes], before: str, after: str) -> frozenset[str]:
    """Python files that differ in lines without either version."""

    def plain(content: bytes) -> list[bytes]:
        return [line for line in content.splitlines() if before.encode() not in line and after.encode() not in line]

    both = (path for path in old if path.endswith(".py") and path in new and old[path] != new[path])
    return frozenset(path for path in both if plain(old[path]) != plain(new[path]))


# --- the rankings


def bm25_order(texts: Mapping[str, str], request: str) -> list[str]:
    """Robertson's BM25 over text and path."""
    documents = {path: words(path) + words(text) for path, text in sorted(texts.items())}
    average = fmean(counts.total() for counts in documents.values())
    holding = Counter(word for counts in documents.values() for word in counts)
    wanted = words(request)

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
    texts = {path: text for path, content in change.files.items() if (text := readable(path, content)) is not None}
    bundle = build(change.files, change.request, max_bytes=change.budget, pruning=True)
    code = {path: text for path, text in texts.items() if path.endswith(".py")}
    by_words = bm25_order(code, change.request)
    recent = sorted(code, key=lambda path: (-change.modified[path], path))
    whole = frozenset(bundle.included) - frozenset(bundle.outlined)
    return {
        "ours": share(change.touched, frozenset(bundle.included)),
        "ours_whole": share(change.touched, whole),
        "bm25": share(change.touched, filled(by_words, texts, change.budget)),
        "bm25_same_packing": share(change.touched, frozenset(pack(by_words, texts, change.budget).paths)),
        "recency": share(change.touched, filled(recent, texts, change.budget)),
        "over": float(bundle.size > change.budget),
        "fill": bundle.size / change.budget,
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
    built = [build(some, "request header cookie parser", max_bytes=size, pruning=True).size > size for size in sizes]
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
    """Measure, write, and fail where a bundle is over its budget."""
    found = changes()
    results = [(change, measured(change)) for change in found]
    for change, one in results:
        sys.stdout.write(
            f"{change.name:22} {len(change.touched):3} touched  ours {one['ours']:.2f} (whole {one['ours_whole']:.2f})  "
            f"bm25 {one['bm25']:.2f}  same packing {one['bm25_same_packing']:.2f}  recency {one['recency']:.2f}\n"
        )

    def mean(key: str, *, held_out: bool | None = None) -> float:
        of = [one[key] for change, one in results if held_out is None or held_out == (change.package not in DEVELOPMENT)]
        return round(fmean(of), 4)

    files = five_megabytes(found)
    over, built = over_budget(files)
    recall, bm25, recency = mean("ours"), mean("bm25"), mean("recency")
    result = {
        "changes": len(results),
        "packages": len(RELEASES),
        "files_touched": sum(len(change.touched) for change in found),
        "budget_share": SHARE,
        "over_budget_bundles": over + int(sum(one["over"] for _, one in results)),
        "bundles_built": built + len(results),
        "budget_filled_min": round(min(one["fill"] for _, one in results), 5),
        "seconds_per_5mb": round(seconds(lambda: build(files, found[0].request, max_bytes=180_000, pruning=True)), 2),
        "bytes_timed": sum(len(content) for content in files.values()),
        "recall": recall,
        "recall_whole_files": mean("ours_whole"),
        "recall_bm25": bm25,
        "recall_bm25_same_packing": mean("bm25_same_packing"),
        "recall_recency": recency,
        "recall_vs_bm25": round(recall / bm25, 3),
        "recall_whole_vs_bm25": round(mean("ours_whole") / bm25, 3),
        "recall_vs_recency": round(recall / recency, 3),
        "recall_held_out": mean("ours", held_out=True),
        "recall_held_out_bm25": mean("bm25", held_out=True),
        "recall_held_out_recency": mean("recency", held_out=True),
        "recall_development": mean("ours", held_out=False),
        "recall_development_bm25": mean("bm25", held_out=False),
        "tree_sitter_version": version("tree-sitter"),
        "detect_secrets_version": version("detect-secrets"),
        "python_version": sys.version.split()[0],
    }
    target = BENCH / "results" / "context.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 1 if result["over_budget_bundles"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
