"""The packages that a repo depends on: pinned with hashes, built once into a folder that is read-only in the sandbox.

Wheels only, so nothing of a package runs while it is installed; and into a plain folder that is no site folder, so neither its
``.pth`` files nor its pytest plugins are ever loaded. Built by the gates' worker, which has a network, never in the sandbox.
"""

import compileall
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from gates.sandbox.interpreter import find_interpreter

BUILD_SECONDS = 180
LARGEST_BYTES = 512 << 20
MAX_LINES = 200
_PIN = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._, -]+\])?==[A-Za-z0-9.!+_-]+"
    r"(?:\s*;[^\n\\#@]*?)?(?:\s+--hash=sha256:[0-9a-f]{64})+"
)
_PASSED_ON = re.compile(
    r"(?:UV|PIP)_(?:\w*INDEX\w*|CERT|FIND_LINKS|\w*CERTS?)|SSL_CERT_\w+|(?:https?|no)_proxy", re.IGNORECASE
)
_CURE = (
    "Pin all packages and what they need under dependencies in .blocks/config.yml, as `name==version --hash=sha256:...`, as "
    "`uv pip compile --generate-hashes` prints them; wheels only."
)


class EnvironmentRefused(Exception):
    """The repo's dependencies cannot be installed as they are named. The repo owner's to mend."""

    code = "context:bad-dependencies"
    cure = _CURE


class EnvironmentUnavailable(Exception):
    """The index or the installer failed. Worth another try; then the operator's."""

    code = "gates:no-environment"
    cure = "Look whether the package index can be reached from the gates' worker, then retry."


def parse_pins(lines: Sequence[str]) -> tuple[str, ...]:
    """The pins, sorted. Raises ``EnvironmentRefused`` for anything but a pinned name with hashes: no URL, no option, no path."""
    pins = sorted(
        {
            " ".join(line.replace("\\\n", " ").split())
            for line in lines
            if line.strip() and not line.strip().startswith("#")
        }
    )
    if len(pins) > MAX_LINES:
        raise EnvironmentRefused(f"There are {len(pins)} dependencies; at most {MAX_LINES} are taken.")
    for pin in pins:
        if _PIN.fullmatch(pin) is None:
            raise EnvironmentRefused(f"{pin[:120]!r} is no pinned dependency with hashes.")
    return tuple(pins)


def digest_pins(lines: Sequence[str]) -> str:
    """SHA-256 of the pins in ``lines``, whatever their order; empty for none. The same on every machine."""
    pins = parse_pins(lines)
    return hashlib.sha256("\n".join(pins).encode()).hexdigest() if pins else ""


def build(lines: Sequence[str], *, root: Path | None = None, seconds: float = BUILD_SECONDS) -> Path | None:
    """The folder with the packages of ``lines``, built where it is missing; ``None`` for no dependencies.

    The same pins for the same Python give the same folder. Raises ``EnvironmentRefused`` and ``EnvironmentUnavailable``.
    """
    pins = parse_pins(lines)
    if not pins:
        return None
    python = find_interpreter()
    place = root or Path(settings.STATE_DIR) / "environments"
    name = hashlib.sha256("\n".join((python.version, os.uname().machine, *pins)).encode()).hexdigest()
    target = place / name
    if target.is_dir():
        return target
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place / f"{name}.lock"):
        if not target.is_dir():
            _install(pins, python.executable, target, seconds)
    return target


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One builder at a time, over all workers of this machine."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(pins: Sequence[str], python: str, target: Path, seconds: float) -> None:
    """Install beside the place and move there whole, so that a build cut short leaves nothing behind."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    wanted = fresh.with_suffix(".txt")
    try:
        wanted.write_text("\n".join(pins) + "\n")
        done = subprocess.run(
            _command(python, wanted, fresh),
            capture_output=True,
            text=True,
            timeout=seconds,
            env=_environment(),
            check=False,
        )
        if done.returncode != 0:
            raise _reason(done.stderr)
        # Every run of the tests imports them anew, and could not keep what it compiles. Compiling runs nothing.
        compileall.compile_dir(str(fresh), quiet=2, workers=1)
        if sum(path.lstat().st_size for path in fresh.rglob("*")) > LARGEST_BYTES:
            raise EnvironmentRefused(f"The dependencies take more than {LARGEST_BYTES >> 20} MB.")
        fresh.rename(target)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnavailable(
            f"The dependencies were not installed within {seconds:.0f} s."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        wanted.unlink(missing_ok=True)


def _command(python: str, wanted: Path, folder: Path) -> list[str]:
    options = ["--require-hashes", "--only-binary", ":all:", "--target", str(folder), "-r", str(wanted)]
    beside = Path(sys.prefix) / "bin" / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        return [
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-config",
            "--link-mode",
            "copy",
            "--python",
            python,
            *options,
        ]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--isolated", "--no-compile", *options]


def _environment() -> dict[str, str]:
    """Where the index is and whom to trust; none of the service's secrets."""
    passed = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/nonexistent"), **passed}


def _reason(said: str) -> Exception:
    """Hashes and names are the repo's to mend, the rest may be the network's."""
    # An index's address may carry a password.
    shown = re.sub(r"://[^\s/@]*@", "://", said.strip())[-400:]
    mine = (
        "hash",
        "no version",
        "not found in the package registry",
        "no solution",
        "unsatisfiable",
        "no matching distribution",
    )
    kind = EnvironmentRefused if any(word in said.lower() for word in mine) else EnvironmentUnavailable
    return kind(f"The dependencies cannot be installed: {shown}")
