"""The environments that the peers live in: ``bench/.venvs/<peer>``, built from the pins in
``bench/peers/<peer>.txt``.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from bench.scale import SMALL

BENCH = Path(__file__).resolve().parent
ENVIRONMENTS = BENCH / ".venvs"


class PeerFailure(RuntimeError):
    """A peer did other work than it was measured for, so that its figures would mean nothing."""


def takes_part(peer: str) -> bool:
    """Whether a peer's arm runs: always in a full run, in the small form only where its environment is built
    already.
    """
    if not SMALL or _is_current(peer):
        return True
    sys.stdout.write(f"left out: {peer}, whose environment is not built here (a full run builds it)\n")
    return False


def require_python(peer: str) -> Path:
    """The interpreter of a peer's environment, built where it is missing or its pins have changed."""
    python = ENVIRONMENTS / peer / "bin" / "python"
    if not _is_current(peer):
        _build(peer, python)
    return python


def read_pinned_version(peer: str) -> str:
    """The version of a peer that its pins name."""
    for line in _pins(peer).read_text(encoding="utf-8").splitlines():
        # A line with hashes has them after the version.
        requirement = line.split()[0] if line.strip() else ""
        name, equal, version = requirement.partition("==")
        if equal and name == peer:
            return version
    raise LookupError(f"{_pins(peer)} does not pin {peer}")


def _pins(peer: str) -> Path:
    return BENCH / "peers" / f"{peer}.txt"


def _stamp(peer: str) -> Path:
    return ENVIRONMENTS / peer / "built-from.txt"


def _is_current(peer: str) -> bool:
    stamp = _stamp(peer)
    return stamp.exists() and stamp.read_bytes() == _pins(peer).read_bytes()


def _build(peer: str, python: Path) -> None:
    folder = ENVIRONMENTS / peer
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    if uv.exists():
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, folder],
            [uv, "pip", "install", "--quiet", "--python", python, "-r", _pins(peer)],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", "-r", _pins(peer)],
        ]
    for command in commands:
        subprocess.run([str(part) for part in command], check=True)
    # Written last: an environment whose installation was cut short has no stamp and is built again.
    _stamp(peer).write_bytes(_pins(peer).read_bytes())
