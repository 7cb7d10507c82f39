"""Every attack on every backend; and without a sandbox, to see that they are attacks."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gates.sandbox.attacks import ATTACKS, Attack, run_attack
from gates.sandbox.attacks.bait import lay_bait
from gates.sandbox.base import Job, Outcome, SandboxBackend

BY_NAME = [pytest.param(attack, id=attack.name) for attack in ATTACKS]
HARMLESS = [pytest.param(attack, id=attack.name) for attack in ATTACKS if attack.harmless]


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for the temporary folders of one test alone; open to every user, as the usual one is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.mark.parametrize("attack", BY_NAME)
def test_attack_is_held(backend: SandboxBackend, attack: Attack, scratch: Path) -> None:
    with lay_bait() as target:
        result = run_attack(attack, backend.run, target)
        assert result.breach == ""
    assert not list(scratch.iterdir())


def without_sandbox(job: Job) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in job.files.items():
            (Path(folder) / name).write_bytes(content)
        command = [sys.executable, "-I", "-B", f"{folder}/attack.py"]
        shell = ["/bin/sh", "-c", 'exec "$@" 3>result', "sh", *command]
        done = subprocess.run(
            shell, cwd=folder, input=job.stdin, capture_output=True, timeout=60, check=False
        )
        result = (Path(folder) / "result").read_bytes()
    return Outcome(done.returncode, None, done.stdout, done.stderr, result, False, False, 0.0, "none")


@pytest.mark.parametrize("attack", HARMLESS)
def test_attack_gets_through_without_a_sandbox(attack: Attack) -> None:
    with lay_bait() as target:
        assert run_attack(attack, without_sandbox, target).breach
