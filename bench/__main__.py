"""``make bench``: run every benchmark, or the one that is named; each writes ``bench/results/<name>.json``."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def benchmarks() -> list[str]:
    """Modules of this folder that declare themselves as benchmarks by a ``main`` function."""
    modules = (path for path in sorted(FOLDER.glob("[!_]*.py")))
    return [path.stem for path in modules if "\ndef main(" in path.read_text(encoding="utf-8")]


def main(names: list[str]) -> int:
    """Run each in a process of its own, so that none inherits another's caches; 1 if any failed."""
    known = benchmarks()
    unknown = set(names) - set(known)
    if unknown:
        sys.stderr.write(f"No benchmark {', '.join(sorted(unknown))}; there are: {', '.join(known)}\n")
        return 2
    failed = []
    for name in names or known:
        sys.stdout.write(f"\n== {name}\n")
        sys.stdout.flush()
        if (
            subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=FOLDER.parent, check=False).returncode
            != 0
        ):
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
