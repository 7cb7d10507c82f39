"""Past changes of real packages: consecutive releases from the index, as source distributions.

The request is what the newer release added to its changelog, the repo is the older release, and touched are
the Python files, tests included, that both have and that differ in more than their version. ``DEVELOPMENT``
are the packages on which weights may be chosen; the others are held out. Packages that came with the second,
larger set were dealt to the two in turns, by the alphabet, before anything of them was measured. Downloads go
to ``bench/.cache``.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from bench.scale import SMALL

BENCH = Path(__file__).resolve().parent
CACHE, INSTALLER = BENCH / ".cache", BENCH / ".venvs" / "pip"
DEVELOPMENT = frozenset(
    """
    aiohttp babel black click flask jinja2 jsonschema markdown marshmallow paramiko peewee pyjwt sqlalchemy
    trio
    virtualenv werkzeug zope.interface made-for-development
    """.split()  # noqa: SIM905 - names in quotes are harder to read
)
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
    "aiohttp": ("3.8.3", "3.8.4", "3.8.5", "3.8.6"),
    "alembic": ("1.11.1", "1.11.2", "1.11.3", "1.12.0"),
    "babel": ("2.12.1", "2.13.0", "2.13.1"),
    "beautifulsoup4": ("4.12.0", "4.12.1", "4.12.2", "4.12.3"),
    "black": ("23.7.0", "23.9.0", "23.9.1", "23.10.0"),
    "coverage": ("7.3.0", "7.3.1", "7.3.2", "7.3.3"),
    "flask": ("2.3.0", "2.3.1", "2.3.2", "2.3.3"),
    "httpx": ("0.24.0", "0.24.1", "0.25.0", "0.25.1"),
    "jsonschema": ("4.18.4", "4.18.5", "4.18.6", "4.19.0"),
    "kombu": ("5.3.1", "5.3.2", "5.3.3", "5.3.4"),
    "peewee": ("3.16.0", "3.16.1", "3.16.2", "3.16.3"),
    "pygments": ("2.15.0", "2.15.1", "2.16.0", "2.16.1"),
    "pyjwt": ("2.6.0", "2.7.0", "2.8.0"),
    "pyramid": ("2.0", "2.0.1", "2.0.2"),
    "sqlalchemy": ("2.0.20", "2.0.21", "2.0.22"),
    "tox": ("4.11.0", "4.11.1", "4.11.2", "4.11.3"),
    "virtualenv": ("20.24.0", "20.24.1", "20.24.2", "20.24.3"),
    "waitress": ("2.1.0", "2.1.1", "2.1.2"),
    "zope.interface": ("5.5.0", "5.5.1", "5.5.2", "6.0"),
}
SMALL_RELEASES = {"made-for-development": ("1.0", "1.1"), "made-held-out": ("1.0", "1.1", "1.2")}
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


def require_installer() -> Path:
    """A Python with pip, for downloads only: the environment of the project may have none."""
    python = INSTALLER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(INSTALLER)], check=True)
    return python


def find_archive(package: str, release: str) -> Path:
    """The source distribution, downloaded once."""
    found = [path for path in CACHE.glob("*.tar.gz") if path.name.lower() == f"{package}-{release}.tar.gz"]
    if not found:
        CACHE.mkdir(exist_ok=True)
        options = [
            "--quiet",
            "--disable-pip-version-check",
            "--no-binary",
            ":all:",
            "--no-deps",
            "--dest",
            str(CACHE),
        ]
        subprocess.run(
            [str(require_installer()), "-m", "pip", "download", *options, f"{package}=={release}"], check=True
        )
        found = [
            path for path in CACHE.glob("*.tar.gz") if path.name.lower() == f"{package}-{release}.tar.gz"
        ]
    return found[0]


def unpack_archive(path: Path) -> tuple[dict[str, bytes], dict[str, float]]:
    """Path to content and to time of modification, without the folder on top and what builds add."""
    files, modified = {}, {}
    with tarfile.open(path) as tar:
        for member in tar:
            inner = PurePosixPath(member.name).parts[1:]
            made = (
                not inner or inner[-1] in _MADE_BY_BUILDS or any(part.endswith(".egg-info") for part in inner)
            )
            if member.isfile() and not made and (opened := tar.extractfile(member)) is not None:
                files["/".join(inner)], modified["/".join(inner)] = opened.read(), float(member.mtime)
    return files, modified


def read_changes() -> list[Change]:
    """Every pair of consecutive releases that has notes and touches a file of the older one.

    In the small form of two tiny packages that are made for it, because a download takes minutes.
    """
    if not SMALL:
        return _compare_releases(RELEASES, find_archive)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package, releases in SMALL_RELEASES.items():
            for number, release in enumerate(releases):
                _make_archive(folder, package, release, number)
        return _compare_releases(
            SMALL_RELEASES, lambda package, release: folder / f"{package}-{release}.tar.gz"
        )


def _compare_releases(
    packages: Mapping[str, tuple[str, ...]], find: Callable[[str, str], Path]
) -> list[Change]:
    found = []
    for package, releases in packages.items():
        for before, after in pairwise(releases):
            old, modified = unpack_archive(find(package, before))
            new, _ = unpack_archive(find(package, after))
            request = collect_notes(old, new)
            touched = find_touched_files(old, new, before, after)
            if request and touched:
                found.append(Change(package, f"{package} {after}", old, modified, request, touched))
    return found


def _make_archive(folder: Path, package: str, release: str, number: int) -> None:
    """A source distribution of twelve modules; each release after the first changes one of them."""
    files = {
        f"{package}/module_{place}.py": f"def part_{place}(value):\n    return value + {place}\n" * 40
        for place in range(12)
    }
    notes = ["Changes"]
    for place in range(1, number + 1):
        files[f"{package}/module_{place}.py"] += f"\n\ndef added_{place}(value):\n    return value\n"
        notes.append(f"- module_{place}: part_{place} has a counterpart, added_{place}")
    files["CHANGES.rst"] = "\n".join(notes)
    with tarfile.open(folder / f"{package}-{release}.tar.gz", "w:gz") as tar:
        for path, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(f"{package}-{release}/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def collect_notes(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
    """The lines that the newer release has in its changelogs and the older lacks."""
    added = []
    for path in sorted(new):
        pure = PurePosixPath(path.lower())
        if pure.suffix in {"", ".rst", ".md", ".txt"} and pure.stem.startswith(_LOGS):
            known = set(old.get(path, b"").decode("utf-8", "replace").splitlines())
            added += [line for line in new[path].decode("utf-8", "replace").splitlines() if line not in known]
    return "\n".join(added).strip()


def find_touched_files(
    old: Mapping[str, bytes], new: Mapping[str, bytes], before: str, after: str
) -> frozenset[str]:
    """Python files that differ in lines without either version."""

    def plain(content: bytes) -> list[bytes]:
        return [
            line
            for line in content.splitlines()
            if before.encode() not in line and after.encode() not in line
        ]

    both = (path for path in old if path.endswith(".py") and path in new and old[path] != new[path])
    return frozenset(path for path in both if plain(old[path]) != plain(new[path]))
