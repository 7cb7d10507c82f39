"""The lean interpreter where Python itself is in a folder that no job can enter."""

import json
import subprocess
from pathlib import Path

import pytest

from gates.sandbox import build
from gates.sandbox.interpreter import find_interpreter


@pytest.fixture
def private_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Only what is below the returned folder can be entered by a job's user, as far as the builder sees."""
    monkeypatch.setattr(build, "is_reachable", lambda path: Path(path).is_relative_to(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_the_runtime_is_copied_along_and_starts_from_its_place(private_python: Path) -> None:
    target = private_python / "lean"
    assert build.build_interpreter(target)
    assert not build.build_interpreter(target)

    found = find_interpreter(str(target))

    assert Path(found.executable).is_relative_to(target)
    assert all(
        Path(tree).is_relative_to(target) or tree.startswith(("/usr", "/lib", "/etc")) for tree in found.trees
    )
    places = "[sys.base_prefix, json.__file__, pytest.__file__]"
    code = f"import json, pytest, sqlite3, sys; print(json.dumps({places}))"
    command = [f"{found.venv}/bin/python", "-I", "-c", code]
    said = subprocess.run(
        command, env=dict(found.environment), capture_output=True, check=True, cwd="/"
    ).stdout
    assert [Path(place).is_relative_to(target) for place in json.loads(said)] == [True, True, True]


def test_nothing_is_copied_to_where_no_job_could_enter_either(private_python: Path) -> None:
    stamp = build.expected_stamp(Path("/nowhere-at-all/lean"))
    assert "/nowhere-at-all" not in stamp["executable"] + stamp["stdlib"]
