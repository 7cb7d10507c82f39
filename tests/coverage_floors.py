"""``python -m tests.coverage_floors erase|report``: branch coverage of the default suite, with a floor for
each package.

``erase`` removes the data of earlier runs. ``report`` combines what the test processes, the Celery workers
and the commands have written, prints a line for each package, and exits with 1 when one is below its floor.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT_FLOOR = 90.0
PACKAGE_FLOOR = 85.0
# The apps of the server are packages as large as the libraries beside it.
SPLIT = "orchestrator"


@dataclass
class Share:
    """Statements and branches that were reached, and all of them."""

    reached: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """100 where there is nothing to reach."""
        return 100 * self.reached / self.total if self.total else 100.0


def name_package(path: str) -> str:
    """The package that the file ``path`` belongs to: ``providers``, ``orchestrator.flows``."""
    parts = Path(path).parts
    depth = 2 if parts[0] == SPLIT and len(parts) > 2 else 1
    return ".".join(parts[:depth])


def sum_packages(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> dict[str, Share]:
    """Package to its share, from the JSON report of coverage."""
    packages: dict[str, Share] = defaultdict(Share)
    for path, measured in report["files"].items():
        summary = measured["summary"]
        package = packages[name_package(path)]
        package.reached += summary["covered_lines"] + summary["covered_branches"]
        package.total += summary["num_statements"] + summary["num_branches"]
    return dict(packages)


def find_low(packages: dict[str, Share]) -> list[str]:
    """What is below its floor, as sentences."""
    low = [
        f"{name} has {share.percent:.1f} %, its floor is {PACKAGE_FLOOR:g} %"
        for name, share in sorted(packages.items())
        if share.percent < PACKAGE_FLOOR
    ]
    product = sum_shares(packages)
    if product.percent < PRODUCT_FLOOR:
        low.append(f"the product has {product.percent:.1f} %, its floor is {PRODUCT_FLOOR:g} %")
    return low


def sum_shares(packages: dict[str, Share]) -> Share:
    """The share of all packages together."""
    reached = sum(share.reached for share in packages.values())
    return Share(reached, sum(share.total for share in packages.values()))


def run_coverage(*arguments: str) -> None:
    """Run a command of coverage in the project; raises ``CalledProcessError`` when it fails."""
    subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, check=True)


def print_report() -> int:
    """Combine, print, compare with the floors."""
    run_coverage("combine", "--quiet")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        run_coverage("json", "--quiet", "-o", str(path))
        packages = sum_packages(json.loads(path.read_text(encoding="utf-8")))
    rows = sorted(packages.items())
    for name, share in [*rows, ("the product", sum_shares(packages))]:
        sys.stdout.write(f"{name:28}{share.percent:7.1f} %{share.total:8}\n")
    low = find_low(packages)
    sys.stderr.writelines(f"{line}\n" for line in low)
    return 1 if low else 0


def main(argv: list[str]) -> int:
    """Do what the first argument says."""
    if argv == ["erase"]:
        run_coverage("erase")
        return 0
    if argv == ["report"]:
        return print_report()
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
