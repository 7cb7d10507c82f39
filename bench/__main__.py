"""``make bench``: run every benchmark, or those that are named; each writes ``bench/results/<name>.json``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NO_SERVERS = {
    "DATABASE_URL": "postgres://nobody@localhost/none",
    "REDIS_URL": "redis://localhost:1/0",
    "SECRET_KEY": "bench",
    # The catalog of models asks the settings for compatible servers.
    "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
}


def list_benchmarks() -> list[str]:
    """The modules of this folder that declare themselves as benchmarks by a ``main`` function, sorted."""
    names = []
    for path in sorted(FOLDER.glob("[!_]*.py")):
        if "\ndef main(" in path.read_text(encoding="utf-8"):
            names.append(path.stem)
    return names


def main(argv: list[str]) -> int:
    """Run the benchmarks; 1 if one failed or missed a goal, 2 if one is unknown."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="which ones; all without a name")
    parser.add_argument("--small", action="store_true", help="tiny sizes, in seconds: does it still work?")
    parser.add_argument("--results", type=Path, help="write the figures into this folder")
    chosen = parser.parse_args(argv)
    known = list_benchmarks()
    unknown = sorted(set(chosen.names) - set(known))
    if unknown:
        sys.stderr.write(f"No benchmark {', '.join(unknown)}. There are: {', '.join(known)}\n")
        return 2
    # A benchmark that needs servers starts its own. The settings only ask for addresses and a key.
    environment = NO_SERVERS | dict(os.environ)
    if chosen.small:
        environment["BENCH_SMALL"] = "1"
    if chosen.results:
        environment["BENCH_RESULTS"] = str(chosen.results.resolve())
    failed = [name for name in chosen.names or known if run_benchmark(name, environment) != 0]
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def run_benchmark(name: str, environment: dict[str, str]) -> int:
    """Run one in a process of its own, so that it inherits no caches; returns its exit code."""
    sys.stdout.write(f"\n== {name}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", f"bench.{name}"]
    return subprocess.run(command, cwd=FOLDER.parent, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
