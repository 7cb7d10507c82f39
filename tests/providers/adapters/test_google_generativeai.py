"""The older Google SDK, checked by the same conformance suite in an environment of its own
(``.venv-google``).

``pytest -m slow tests/providers/adapters/test_google_generativeai.py`` builds the environment where it is
missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / ".venv-google"
# What the tests need, and the simulator, which they start with this interpreter. The last one redacts errors.
TOOLS = ("pytest", "pytest-timeout", "Django", "PyYAML", "jsonschema", "google-re2")


def environment() -> Path:
    """The interpreter of the environment; built again when the pinned requirements have changed."""
    pins, python = ROOT / "requirements-google-generativeai.txt", HOME / "bin" / "python"
    mark = HOME / "built-from.txt"
    wanted = pins.read_bytes() + " ".join(TOOLS).encode()
    if mark.exists() and mark.read_bytes() == wanted:
        return python
    shutil.rmtree(HOME, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(pins)], check=True)
    subprocess.run([*pip, *TOOLS], check=True)
    mark.write_bytes(wanted)
    return python


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_older_sdk_conforms() -> None:
    ini, suite = (
        "tests/providers/adapters/google_generativeai.ini",
        "tests/providers/adapters/test_conformance.py",
    )
    command = [
        str(environment()),
        "-m",
        "pytest",
        "-c",
        ini,
        "--rootdir",
        ".",
        "-q",
        "-p",
        "no:cacheprovider",
        suite,
    ]
    known = {
        "PYTHONPATH": ".",
        "CONFORMANCE_ADAPTERS": "google-generativeai",
        "DJANGO_SETTINGS_MODULE": "tests.providers.adapters.bare_settings",
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
    assert " passed" in done.stdout
