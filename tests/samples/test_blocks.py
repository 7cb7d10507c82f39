"""The blocks of the samples work: their own tests pass, their contracts hold literally."""

import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.samples.scenario_files import NAMES, Sample, sample

each = pytest.mark.parametrize("name", NAMES)
passing = pytest.mark.parametrize(
    "name", [name for name in NAMES if sample(name).scenario["expect"] == "passed"]
)
FORMATS = {"decimal": Decimal, "date": date.fromisoformat, "date-time": datetime.fromisoformat}


def arguments(schema: dict[str, Any], value: Any) -> Any:
    """Strings with a format become what the contract says that they reach the function as."""
    if isinstance(value, str) and schema.get("format") in FORMATS:
        return FORMATS[schema["format"]](value)
    if isinstance(value, list):
        return [arguments(schema["items"], item) for item in value]
    if isinstance(value, dict):
        return {key: arguments(schema["properties"][key], item) for key, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """A result as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def load(one: Sample, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of one round."""
    spec = importlib.util.spec_from_file_location(one.block, folder / f"{one.block}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, one.block, module)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(module)
    return module


def broken_examples(one: Sample, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The examples of the contract that the module of ``folder`` does not keep, as text."""
    module, broken = load(one, folder, monkeypatch), []
    for entry in one.contract()["entrypoints"]:
        accepts, gives = Draft202012Validator(entry["input"]), Draft202012Validator(entry["output"])
        for number, example in enumerate(entry["examples"], start=1):
            accepts.validate(example["input"])
            gives.validate(example["output"])
            try:
                result = plain(getattr(module, entry["call"])(**arguments(entry["input"], example["input"])))
            except ValueError as error:
                result = str(error)
            if result != example["output"]:
                broken.append(f"{entry['call']} example {number}: {result}")
    return broken


@each
def test_the_tests_of_the_last_round_pass(name: str, tmp_path: Path) -> None:
    one = sample(name)
    folder = one.answers("implement")[-1]
    for file in (f"{one.block}.py", f"test_{one.block}.py"):
        shutil.copy(folder / file, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@passing
def test_the_contract_of_the_last_round_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sample(name)
    contract = one.contract()
    assert (contract["contract"], contract["name"], contract["family"]) == (
        1,
        one.block,
        one.scenario["family"],
    )
    assert all(len(entry["examples"]) >= 2 for entry in contract["entrypoints"])
    assert broken_examples(one, one.answers("implement")[-1], monkeypatch) == []


def test_the_first_reconciliation_breaks_its_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    one = sample("financial-reporting")
    assert broken_examples(one, one.answers("implement")[0], monkeypatch)


def test_no_round_of_the_sample_that_never_passes_keeps_both_examples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = sample("never-passes")
    broken = [len(broken_examples(one, folder, monkeypatch)) for folder in one.answers("implement")]
    assert broken == [1, 1, 2]
