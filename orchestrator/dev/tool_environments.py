"""Tools that others wrote, each list in a virtual environment of its own beside the product's."""

import fcntl
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_tool(environment: str, name: str) -> Path | None:
    """The program ``name`` of requirements-<environment>.txt; None where it cannot be installed."""
    place = ROOT / f".venv-{environment}"
    pins = ROOT / f"requirements-{environment}.txt"
    stamp = place / ".ready"
    uv = str(ROOT / ".venv" / "bin" / "uv")
    # Two workers of one test run may ask at the same moment.
    with (ROOT / f".venv-{environment}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.stat().st_mtime < pins.stat().st_mtime:
            made = subprocess.run([uv, "venv", "--quiet", "--clear", str(place)], check=False)
            options = ["--quiet", "--require-hashes", "--python", str(place / "bin" / "python")]
            words = [uv, "pip", "sync", *options, str(pins)]
            if made.returncode != 0 or subprocess.run(words, check=False).returncode != 0:
                return None
            stamp.touch()
    tool = place / "bin" / name
    return tool if tool.exists() else None
