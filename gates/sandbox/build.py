"""``python -m gates.sandbox.build``: build the lean interpreter from ``requirements-sandbox.txt``, once.

The second time costs nothing: a stamp holds the digest of the pins and the version of Python. Built beside its place and
moved there whole, so that a build cut short leaves no half of an environment.
"""

import argparse
import compileall
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from gates.sandbox.stamp import STAMP

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "requirements-sandbox.txt"


def wanted() -> dict[str, str]:
    """What the finished environment's stamp says."""
    executable = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    return {
        "pins": hashlib.sha256(PINS.read_bytes()).hexdigest(),
        "version": sys.version.split()[0],
        "base_prefix": sys.base_prefix,
        "executable": executable,
        "stdlib": sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}),
    }


def is_current(target: Path) -> bool:
    """Whether ``target`` holds exactly what would be built."""
    try:
        return bool(json.loads((target / STAMP).read_text()) == wanted())
    except (OSError, ValueError):
        return False


def _installer(python: Path) -> list[str]:
    """uv where it is at hand, as it is an order faster; pip otherwise."""
    beside = Path(sys.prefix) / "bin" / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(PINS)]
    subprocess.run([str(python), "-I", "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
    return [str(python), "-I", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(PINS)]


def build(target: Path) -> bool:
    """Build the environment in ``target``. Returns whether there was anything to do. Raises ``CalledProcessError``."""
    if is_current(target):
        return False
    # moved into place when it is whole; scripts in bin/ would name the wrong folder, but jobs only use `python -m`
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        venv.create(fresh, symlinks=True, with_pip=False)
        subprocess.run(_installer(fresh / "bin" / "python"), check=True)
        # straight to the real binary: a link on the way would not be there inside
        (fresh / "bin" / "python").unlink()
        (fresh / "bin" / "python").symlink_to(wanted()["executable"])
        # read-only inside, so nothing could be compiled there later
        compileall.compile_dir(fresh / "lib", quiet=2, workers=1)
        (fresh / STAMP).write_text(json.dumps(wanted(), indent=1))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def main() -> None:
    """Entry point. Exit code 1 when the packages cannot be installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--venv", type=Path, default=Path(os.environ.get("SANDBOX_VENV") or ROOT / ".venv-sandbox"))
    target = parser.parse_args().venv.resolve()
    try:
        built = build(target)
    except subprocess.CalledProcessError as error:
        sys.exit(f"The sandbox's interpreter could not be built ({error}). Is the package index reachable?")
    sys.stdout.write(f"Sandbox interpreter {'built' if built else 'is current'}: {target.name}\n")


if __name__ == "__main__":
    main()
