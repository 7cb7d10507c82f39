"""`blocks init`: it says what it found, asks before it changes, and is safe to run twice."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.blocks.conftest import ROOT

REPOS: list[tuple[Mapping[str, str], dict[str, str]]] = [
    ({}, {}),
    (
        {
            "pyproject.toml": '[dependency-groups]\ndev = ["pytest>=8"]\n',
            ".github/workflows/ci.yml": "",
            "src/pay/__init__.py": "",
            "tests/test_pay.py": "",
        },
        {
            "language": "python",
            "ci": "github",
            "test_runner": "pytest",
            "packages": "src/pay",
            "tests": "tests",
        },
    ),
    (
        {
            "setup.py": "",
            "pay/__init__.py": "",
            "fees/__init__.py": "",
            "docs/__init__.py": "",
            "test/test_pay.py": "",
            ".gitlab-ci.yml": "",
        },
        {
            "language": "python",
            "ci": "gitlab",
            "test_runner": "unittest",
            "packages": "fees, pay",
            "tests": "test",
        },
    ),
    # A service in Python with pages in JavaScript is one in Python.
    (
        {"requirements.txt": "", "package.json": "{}", "Jenkinsfile": ""},
        {"language": "python", "ci": "jenkins"},
    ),
    (
        {"package.json": '{"devDependencies": {"vitest": "1"}}', "tsconfig.json": ""},
        {"language": "typescript", "test_runner": "vitest"},
    ),
    ({"package.json": "[not json"}, {"language": "javascript"}),
    ({"go.mod": ""}, {"language": "go", "test_runner": "go test"}),
]


# How people are told of what the configuration calls by these names.
WORDS = {"ci": "CI", "test_runner": "test runner", "tests": "tests in"}


def lay(work: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)


@pytest.mark.parametrize(("files", "facts"), REPOS)
def test_what_a_repo_is_gets_into_its_configuration(offline, work, files, facts):
    lay(work, files)
    found = offline("init")
    assert found.returncode == 0, found.stderr
    config = yaml.safe_load((work / ".blocks/config.yml").read_text())
    assert config == {"repo": "compliance-service", **facts}
    for name, value in facts.items():
        assert f"{WORDS.get(name, name)} {value}" in found.stdout


def test_a_second_time_changes_nothing(offline, work):
    assert offline("init", "--url", "https://blocks.example.org").returncode == 0
    files = {path: path.read_bytes() for path in (work / ".blocks").rglob("*") if path.is_file()}
    (work / "go.mod").write_text("")
    again = offline("init", "--repo", "other")
    assert again.stdout == f"{work} is prepared already; nothing changed.\n"
    assert files == {path: path.read_bytes() for path in (work / ".blocks").rglob("*") if path.is_file()}
    assert b"catalog/** -text\nschemas/** -text\n" in files[work / ".blocks/.gitattributes"]
    assert json.loads(offline("init", "--json").stdout)["made"] == []


def test_what_is_there_stays_and_what_is_missing_is_added(offline, work):
    (work / ".blocks").mkdir()
    (work / ".blocks/.gitattributes").write_text("*.png binary")
    (work / ".blocks/config.yml").write_text("repo: pay\n")
    made = json.loads(offline("init", "--json").stdout)["made"]
    assert made == [".blocks/catalog/", ".blocks/schemas/", ".blocks/.gitattributes"]
    assert (work / ".blocks/config.yml").read_text() == "repo: pay\n"
    assert (work / ".blocks/.gitattributes").read_text() == (
        "*.png binary\ncatalog/** -text\nschemas/** -text\n"
    )


@pytest.mark.parametrize("name", ["Bad", "a/b", "-x", "a b", "a" * 101, ".hidden", "é"])
def test_a_name_that_the_service_would_refuse_is_refused_here(offline, work, name):
    found = offline("init", f"--repo={name}")
    assert found.returncode == 2
    assert "Use lower-case letters" in found.stderr
    assert not (work / ".blocks").exists()


@pytest.mark.parametrize("url", ["http://blocks.example.org", "https://u:p@host", "nonsense"])
def test_an_address_that_no_token_would_be_sent_to_is_refused(offline, work, url):
    assert offline("init", "--url", url).returncode in {2, 4}
    assert not (work / ".blocks").exists()


@pytest.mark.parametrize(("typed", "made"), [("y\n", True), ("\n", True), ("n\n", False)])
def test_a_person_is_asked_first(work, typed, made):
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BLOCKS_", "COV"))}
    with subprocess.Popen(
        [sys.executable, "-m", "blocks.cli.main", "init"],
        cwd=work,
        env=clean | {"PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        said, _ = process.communicate(timeout=30)
    asked = os.read(ours, 4096).decode()
    os.close(ours)
    assert "Make .blocks/catalog/, .blocks/schemas/, .blocks/.gitattributes, .blocks/config.yml?" in asked
    assert (work / ".blocks").exists() is made
    assert process.returncode == (0 if made else 2), said
