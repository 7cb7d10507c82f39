"""Gates beside a repo: its modules can be imported, and nothing in it sways a verdict."""

from dataclasses import replace
from pathlib import Path

import pytest

from gates import repo_files
from gates.base import Candidate, Policy, Verdict
from gates.runner import run_gate
from tests.gates.blocks import SOUND, TESTS

POLICY = Policy(wall_seconds=60)
RATES = b"BASE = 250\n\n\ndef base(weight):\n    return BASE if weight <= 500 else 490\n"


def verdict(gate: str, candidate: Candidate) -> tuple[Verdict, str]:
    report = run_gate(gate, candidate, POLICY)
    return report.verdict, report.summary


def using(repo: dict[str, bytes], imported: str = "from rates import base as _base") -> Candidate:
    """The parcel block, its base fee taken from the repo."""
    sound = SOUND
    module = sound.module.replace('"""Shipping fees."""\n', f'"""Shipping fees."""\n\n{imported}\n')
    module = module.replace("        base = 250\n", "        base = _base(weight)\n")
    return replace(sound, module=module, repo_files=repo)


@pytest.mark.parametrize(
    ("repo", "imported"),
    [
        ({"rates.py": RATES}, "from rates import base as _base"),
        ({"fees/__init__.py": b"", "fees/rates.py": RATES}, "from fees.rates import base as _base"),
        ({"src/fees/__init__.py": b"", "src/fees/rates.py": RATES}, "from fees.rates import base as _base"),
    ],
    ids=["module", "package", "src-layout"],
)
@pytest.mark.parametrize("gate", ["contract", "coverage", "security"])
def test_block_may_use_the_repos_modules(gate: str, repo: dict[str, bytes], imported: str) -> None:
    found, summary = verdict(gate, using(repo, imported))
    assert found is Verdict.PASSED, summary


def test_without_the_repo_the_same_block_fails() -> None:
    assert verdict("coverage", using({}))[0] is Verdict.FAILED


LIE = b"""
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = 'passed'
    return report
"""
FAILING = TESTS.replace("(1, 250)", "(1, 251)")
SWAY = {
    "conftest": {"conftest.py": LIE},
    "conftest-above-tests": {"block/conftest.py": LIE, "tests/conftest.py": LIE},
    "pytest-ini": {"pytest.ini": b"[pytest]\naddopts = --co -q\n", "tox.ini": b"[pytest]\naddopts = --co\n"},
    "pyproject": {"pyproject.toml": b"[tool.pytest.ini_options]\naddopts = '--co -p lie'\n", "lie.py": LIE},
    "setup-cfg": {
        "setup.cfg": b"[tool:pytest]\naddopts = --co\n[coverage:run]\nomit = *\n",
        ".coveragerc": b"[run]\nomit = *\n",
    },
    "sitecustomize": {
        "sitecustomize.py": b"import os\nos._exit(0)\n",
        "usercustomize.py": b"import os\nos._exit(0)\n",
    },
    "pth": {"evil.pth": b"import os; os._exit(0)\n"},
    "plugin": {
        "evil-1.dist-info/entry_points.txt": b"[pytest11]\nevil = lie\n",
        "evil-1.dist-info/METADATA": b"Name: evil\n",
        "lie.py": LIE,
    },
    "pytest-itself": {
        "pytest.py": b"raise SystemExit(0)\n",
        "pytest/__init__.py": b"",
        "_pytest/__init__.py": b"",
    },
    "standard-library": {
        "json.py": b"raise SystemExit(0)\n",
        "decimal.py": b"raise SystemExit(0)\n",
        "random.py": b"raise SystemExit(0)\n",
    },
    "the-block-itself": {
        "parcel.py": b"def fee(weight, express=False):\n    return 0\n",
        "test_parcel.py": b"def test_it(): pass\n",
    },
    "the-harness": {"gates/harness/main.py": b"raise SystemExit(0)\n", "start.py": b"raise SystemExit(0)\n"},
}


@pytest.mark.parametrize("repo", SWAY.values(), ids=SWAY.keys())
def test_repo_cannot_turn_a_failing_block_into_a_passing_one(repo: dict[str, bytes]) -> None:
    found, summary = verdict("coverage", replace(SOUND, tests=FAILING, repo_files=repo))
    assert found is Verdict.FAILED, summary
    assert "test" in summary


@pytest.mark.slow
@pytest.mark.parametrize("repo", SWAY.values(), ids=SWAY.keys())
def test_repo_cannot_turn_a_passing_block_into_a_failing_one(repo: dict[str, bytes]) -> None:
    found, summary = verdict("coverage", replace(SOUND, repo_files=repo))
    assert found is Verdict.PASSED, summary


def test_what_cannot_be_laid_down_stays_out() -> None:
    repo = {
        "a": b"file",
        "a/b.py": b"",
        "../up.py": b"",
        "/root.py": b"",
        "./dot.py": b"",
        "nul\0.py": b"",
        "\udcff.py": b"",
        "x" * 256: b"",
        "keep/me.py": b"",
        "__pycache__/me.pyc": b"",
        "native.so": b"",
    }
    assert set(repo_files.select_repo_files(replace(SOUND, repo_files=repo))) == {"a/b.py", "keep/me.py"}


def test_allowlist_opens_for_the_repo_and_its_packages_only(tmp_path: Path) -> None:
    for name in ("moneylib", "moneylib-1.0.dist-info"):
        (tmp_path / name).mkdir()
    (tmp_path / "onefile.py").touch()
    (tmp_path / "fast.cpython-311-x86_64-linux-gnu.so").touch()
    repo = {
        "rates.py": b"",
        "src/fees/a.py": b"",
        "os.py": b"",
        "gates/harness/main.py": b"",
        "notes.md": b"",
    }
    found = repo_files.list_importable_modules(replace(SOUND, repo_files=repo, environment=tmp_path))
    assert found == {"rates", "src", "fees", "moneylib", "onefile", "fast"}
