"""The packages that a repo depends on, pinned with hashes, in a folder that is read-only in the sandbox.

Only wheels are installed, so no code of a package runs while it is installed. The folder is not a site
folder, so Python never loads a package's ``.pth`` files, nor pytest its plugins. The gates' worker builds it
once, because it has a network; the sandbox has none.
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
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from gates.sandbox.interpreter import find_interpreter
from orchestrator.core.errors import FixedBy, OrchestratorError

# What uv and pip say when the pins themselves are wrong.
_REPO_FAULTS = (
    "hash",
    "no version",
    "not found in the package registry",
    "no solution",
    "unsatisfiable",
    "no matching distribution",
)
BUILD_SECONDS = 180
LARGEST_BYTES = 512 << 20
MAX_LINES = 200
MAX_PIN_CHARACTERS = 20_000
# name[extras]==version ; marker --hash=sha256:... : no URL, no option and no path gets through. A marker has
# names, quoted words, comparisons and parentheses; a dash only between quotes.
_PIN = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*+(?:\[[A-Za-z0-9._, -]++\])?==[A-Za-z0-9.!+_-]++"
    r"(?: ?;(?:[A-Za-z0-9_. ()<>=!~]|\"[A-Za-z0-9_.+*! -]++\"|'[A-Za-z0-9_.+*! -]++')+)?"
    r"(?: --hash=sha256:[0-9a-f]{64})+"
)
KEPT_BYTES = 4 << 30
"""What all environments of a machine may take; the ones that were used longest ago go first."""
KEPT_UNUSED_SECONDS = 14 * 86_400.0
"""How long an environment is kept that nobody uses."""
_IN_USE_SECONDS = 3600.0
"""One used this recently may be in use: no run of the gates is longer."""
# Which index to ask and whom to trust; nothing else of the worker's environment reaches the installer.
_PASSED_VARIABLES = re.compile(
    r"(?:UV|PIP)_(?:\w*INDEX\w*|CERT|FIND_LINKS|\w*CERTS?)|SSL_CERT_\w+|(?:https?|no)_proxy", re.IGNORECASE
)
_CURE = (
    "Pin all packages and what they need under dependencies in .blocks/config.yml, as "
    "`name==version --hash=sha256:...`, the way `uv pip compile --generate-hashes` prints them; wheels only."
)


class EnvironmentRefused(OrchestratorError):
    """The repo's dependencies cannot be installed as they are named."""

    code = "context:bad-dependencies"
    cure = _CURE
    fixed_by = FixedBy.REPO_OWNER


class EnvironmentUnavailable(OrchestratorError):
    """The package index or the installer failed."""

    code = "gates:no-environment"
    cure = "Check whether the package index can be reached from the gates' worker, then retry."
    fixed_by = FixedBy.OPERATOR
    retryable = True


def parse_pins(lines: Sequence[str]) -> tuple[str, ...]:
    """The pins, sorted, each once.

    Raises ``EnvironmentRefused`` for everything except a pinned name with hashes.
    """
    pins = set()
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            # A pin may run over several lines.
            pins.add(" ".join(text.replace("\\\n", " ").split()))
    if len(pins) > MAX_LINES:
        raise EnvironmentRefused(f"There are {len(pins)} dependencies; at most {MAX_LINES} are taken.")
    for pin in sorted(pins):
        if len(pin) > MAX_PIN_CHARACTERS or _PIN.fullmatch(pin) is None:
            raise EnvironmentRefused(f"{pin[:120]!r} is not a pinned dependency with hashes.")
    return tuple(sorted(pins))


def digest_pins(lines: Sequence[str]) -> str:
    """SHA-256 of the pins in ``lines``, in any order; empty for none. The same on every machine."""
    pins = parse_pins(lines)
    return hashlib.sha256("\n".join(pins).encode()).hexdigest() if pins else ""


def build(lines: Sequence[str], *, root: Path | None = None, seconds: float = BUILD_SECONDS) -> Path | None:
    """The folder with the packages of ``lines``, built where it is missing; ``None`` for no dependencies.

    The same pins for the same Python give the same folder. Raises ``EnvironmentRefused`` and
    ``EnvironmentUnavailable``.
    """
    pins = parse_pins(lines)
    if not pins:
        return None
    python = find_interpreter()
    place = root or Path(settings.STATE_DIR) / "environments"
    # Wheels differ by version of Python and by machine.
    name = hashlib.sha256("\n".join((python.version, os.uname().machine, *pins)).encode()).hexdigest()
    target = place / name
    place.mkdir(parents=True, exist_ok=True)
    # Shared by all who take one, so that none is removed between a look and its mark.
    with _hold_lock(place / f"{name}.lock"):
        # Another worker may have built it while this one waited.
        is_new = not target.is_dir()
        if is_new:
            _install_pins(pins, python.executable, target, seconds)
        # When it was used last; `evict_unused` asks.
        os.utime(target)
    if is_new:
        evict_unused(place)
    return target


def evict_unused(place: Path, *, kept_bytes: int = KEPT_BYTES, now: float | None = None) -> int:
    """Remove the environments in ``place`` that nobody used for long, and the oldest of too many; how many.

    What may be in use stays, even if the rest is then over ``kept_bytes``.
    """
    moment = time.time() if now is None else now
    found = []
    for folder in place.iterdir():
        if re.fullmatch(r"[0-9a-f]{64}", folder.name) and folder.is_dir():
            size = sum(path.lstat().st_size for path in folder.rglob("*"))
            found.append((folder.stat().st_mtime, size, folder))
    removed, total = 0, sum(size for _, size, _ in found)
    for used_at, size, folder in sorted(found):
        unused = moment - used_at
        if unused <= _IN_USE_SECONDS or (unused <= KEPT_UNUSED_SECONDS and total <= kept_bytes):
            continue
        with _hold_lock(place / f"{folder.name}.lock"):
            # Somebody may have taken it meanwhile.
            if folder.is_dir() and folder.stat().st_mtime == used_at:
                shutil.rmtree(folder, ignore_errors=True)
                removed, total = removed + 1, total - size
    return removed


@contextlib.contextmanager
def _hold_lock(lock: Path) -> Iterator[None]:
    """One builder at a time, over all workers of this machine."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install_pins(pins: Sequence[str], python: str, target: Path, seconds: float) -> None:
    """Install beside the place and move there whole, so that a build cut short leaves nothing behind."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    requirements = fresh.with_suffix(".txt")
    try:
        requirements.write_text("\n".join(pins) + "\n")
        done = subprocess.run(
            _installer_command(python, requirements, fresh),
            capture_output=True,
            text=True,
            timeout=seconds,
            env=_installer_environment(),
            check=False,
        )
        if done.returncode != 0:
            raise _explain_failure(done.stderr)
        # Every run of the tests imports them again and could not keep what it compiles. Compiling runs
        # nothing.
        compileall.compile_dir(str(fresh), quiet=2, workers=1)
        if sum(path.lstat().st_size for path in fresh.rglob("*")) > LARGEST_BYTES:
            raise EnvironmentRefused(f"The dependencies take more than {LARGEST_BYTES >> 20} MB.")
        fresh.rename(target)
    except subprocess.TimeoutExpired as error:
        message = f"The dependencies were not installed within {seconds:.0f} s."
        raise EnvironmentUnavailable(message) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        requirements.unlink(missing_ok=True)


def _installer_command(python: str, requirements: Path, folder: Path) -> list[str]:
    """uv where it is installed, because it is ten times faster; pip otherwise."""
    options = ["--require-hashes", "--only-binary", ":all:", "--target", str(folder), "-r", str(requirements)]
    beside = Path(sys.prefix) / "bin" / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        quiet = ["--quiet", "--no-config", "--link-mode", "copy"]
        return [uv, "pip", "install", *quiet, "--python", python, *options]
    quiet = ["--quiet", "--isolated", "--no-compile"]
    return [sys.executable, "-m", "pip", "install", *quiet, *options]


def _installer_environment() -> dict[str, str]:
    """Where the index is and whom to trust; none of the service's secrets."""
    passed = {name: value for name, value in os.environ.items() if _PASSED_VARIABLES.fullmatch(name)}
    return {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/nonexistent"), **passed}


def _explain_failure(said: str) -> OrchestratorError:
    """The error for what the installer said: the repo fixes hashes and names, the rest may be the network."""
    # An index's address may carry a password.
    shown = re.sub(r"://[^\s/@]*@", "://", said.strip())[-400:]
    message = f"The dependencies cannot be installed: {shown}"
    if any(word in said.lower() for word in _REPO_FAULTS):
        return EnvironmentRefused(message)
    return EnvironmentUnavailable(message)
