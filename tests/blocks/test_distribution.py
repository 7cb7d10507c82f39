"""The distribution `blocks` alone: installed in an empty environment, it starts and checks a block
offline.
"""

import os
import shutil
import subprocess
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.blocks.conftest import ROOT

SOURCE = ROOT / "blocks"
SEALED = Path(__file__).parent / "sealed_before"


def run(command: Sequence[str | Path], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run ``command`` in ``folder`` without this environment, except for the settings that say where
    packages come from.
    """
    dropped = ("PYTHON", "VIRTUAL_ENV", "BLOCKS_", "COV")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    clean |= {"UV_SYSTEM_CERTS": "1", "COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment with the distribution and its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    # A copy: building writes into the folder that it builds from.
    copy = shutil.copytree(
        SOURCE, folder / "source", ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    )
    venv.create(folder / "environment", symlinks=True)
    binaries = folder / "environment" / "bin"
    # The pins of the server, so that the packages are those that `make setup` has fetched: then no
    # network is needed.
    install: list[str | Path] = [
        *(ROOT / ".venv/bin/uv", "pip", "install", "--quiet", "--python", binaries / "python"),
        *("--constraint", ROOT / "requirements.txt", "--constraint", ROOT / "requirements-dev.txt", copy),
    ]
    done = run([*install, "--offline"], folder)
    if done.returncode != 0:
        done = run(install, folder)
    assert done.returncode == 0, done.stderr
    return binaries


def test_the_command_line_starts_alone(installed: Path, tmp_path: Path) -> None:
    found = run([installed / "blocks", "--help"], tmp_path)
    assert found.returncode == 0, found.stderr
    assert "Usage: blocks" in found.stdout
    assert run([installed / "blocks", "verify", "attestation", "--help"], tmp_path).returncode == 0


def test_a_block_is_checked_offline_alone(installed: Path, tmp_path: Path) -> None:
    check: list[str | Path] = [
        installed / "blocks",
        "verify",
        "attestation",
        SEALED / "first.tar.gz",
        "--key",
        SEALED / "first.pem",
    ]
    found = run(check, tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "HOLDS: 12 files, entry 1 of the log" in found.stdout


def test_every_command_finds_what_it_imports(installed: Path, tmp_path: Path) -> None:
    modules = [f"blocks.{path.parent.name}.{path.stem}" for path in sorted(SOURCE.glob("*/*.py"))]
    code = f"import importlib\nfor name in {modules!r}: importlib.import_module(name).__dict__"
    found = run([installed / "python", "-c", code], tmp_path)
    assert found.returncode == 0, found.stderr


def test_no_part_of_the_server_is_installed(installed: Path, tmp_path: Path) -> None:
    server = ("django", "celery", "orchestrator", "gates")
    code = f"import importlib.util as u; print([name for name in {server!r} if u.find_spec(name)])"
    assert run([installed / "python", "-c", code], tmp_path).stdout.strip() == "[]"


def test_every_package_and_file_is_listed() -> None:
    listed = tomllib.loads((SOURCE / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        path.parent.relative_to(ROOT).as_posix() for path in SOURCE.rglob("*.py") if "build" not in path.parts
    }
    assert {name.replace(".", "/") for name in listed["packages"]} == folders
    others = {
        path.name for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert {name for name in others if (SOURCE / name).is_file()} >= set(listed["package-data"]["blocks"])
