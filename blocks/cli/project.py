"""What a repo is, by the files that are there: language, CI, test runner, layout. None of it is run."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocks.format.limits import MIB
from blocks.format.plain_files import read_plain_file

_MOST_BYTES: Final = MIB
# The first that is there counts: a Python service with a package.json for its pages is a Python service.
_LANGUAGES: Final = {
    "python": ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "uv.lock"),
    "go": ("go.mod",),
    "rust": ("Cargo.toml",),
    "java": ("pom.xml", "build.gradle", "build.gradle.kts"),
    "typescript": ("tsconfig.json",),
    "javascript": ("package.json",),
}
_CI: Final = {
    "github": (".github/workflows",),
    "gitlab": (".gitlab-ci.yml", ".gitlab-ci.yaml"),
    "jenkins": ("Jenkinsfile",),
    "circleci": (".circleci/config.yml",),
    "azure": ("azure-pipelines.yml",),
    "buildkite": (".buildkite/pipeline.yml",),
}
_PYTEST_FILES: Final = ("pytest.ini", "conftest.py", "tests/conftest.py", "test/conftest.py")
_NAMES_PYTEST: Final = ("pyproject.toml", "setup.cfg", "tox.ini", "requirements-dev.txt", "requirements.txt")
_TEST_FOLDERS: Final = ("tests", "test")
# Folders that hold no package of the product.
_NOT_PACKAGES: Final = frozenset(
    {"tests", "test", "docs", "doc", "examples", "scripts", "tools", "build", "dist"}
)
_JS_RUNNERS: Final = ("vitest", "jest", "mocha", "ava")


@dataclass(frozen=True, slots=True)
class Project:
    """What was found; empty where nothing tells. ``packages`` and ``tests`` are folders below the root."""

    language: str = ""
    ci: str = ""
    test_runner: str = ""
    packages: tuple[str, ...] = ()
    tests: str = ""

    def describe(self) -> dict[str, str]:
        """The facts that are known, by their names in the configuration."""
        facts = {
            "language": self.language,
            "ci": self.ci,
            "test_runner": self.test_runner,
            "packages": ", ".join(self.packages),
            "tests": self.tests,
        }
        return {name: value for name, value in facts.items() if value}


def find_project(root: Path) -> Project:
    """What the repo at ``root`` is."""
    language = _find_first(root, _LANGUAGES)
    finders: Mapping[str, Callable[[Path], str]] = {
        "python": _find_python_runner,
        "go": lambda _: "go test",
        "rust": lambda _: "cargo test",
        "typescript": _find_javascript_runner,
        "javascript": _find_javascript_runner,
    }
    find_runner = finders.get(language)
    return Project(
        language=language,
        ci=_find_first(root, _CI),
        test_runner=find_runner(root) if find_runner else "",
        packages=_find_packages(root) if language == "python" else (),
        tests=next((name for name in _TEST_FOLDERS if (root / name).is_dir()), ""),
    )


def _find_first(root: Path, signs: Mapping[str, tuple[str, ...]]) -> str:
    for name, paths in signs.items():
        if any((root / path).exists() for path in paths):
            return name
    return ""


def _find_python_runner(root: Path) -> str:
    if any((root / path).is_file() for path in _PYTEST_FILES):
        return "pytest"
    if any(re.search(r"\bpytest\b", _read(root / path)) for path in _NAMES_PYTEST):
        return "pytest"
    folders = [root / name for name in _TEST_FOLDERS]
    return "unittest" if any(any(folder.glob("test_*.py")) for folder in folders) else ""


def _find_javascript_runner(root: Path) -> str:
    try:
        package = json.loads(_read(root / "package.json") or "{}")
        # Only names are looked at; what the scripts of a package.json would do is not run.
        known = {**package.get("devDependencies", {}), **package.get("dependencies", {})}
    except (ValueError, RecursionError, TypeError, AttributeError):
        return ""
    return next((name for name in _JS_RUNNERS if name in known), "")


def _find_packages(root: Path) -> tuple[str, ...]:
    """The packages at the root, or below ``src``."""
    found = []
    # src first: in that layout a package at the root is a leftover or a tool.
    for base in (root / "src", root):
        if not base.is_dir():
            continue
        for folder in sorted(base.iterdir()):
            named = folder.name.isidentifier() and folder.name not in _NOT_PACKAGES
            if named and not folder.is_symlink() and (folder / "__init__.py").is_file():
                found.append(folder.relative_to(root).as_posix())
    # A monorepo has hundreds; the configuration is read by people.
    return tuple(found[:20])


def _read(path: Path) -> str:
    """The text of a plain file; empty where it is none, or too large."""
    try:
        return read_plain_file(path, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
