"""``python -m gates.sandbox.build``: build the lean interpreter from ``requirements.txt`` beside it, once.

The second time costs nothing: a stamp holds the digest of the pins and the version of Python. Built beside
its place and moved there whole, so that a build cut short leaves no half of an environment.

Where Python itself lies in a private folder (pyenv or uv in root's home), its runtime is copied along: a job
that runs as a user of its own could not enter that folder, and without namespaces nothing can be shown to it
under another name.
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

from gates.sandbox.layout import is_reachable
from gates.sandbox.stamp import PINS, STAMP

ROOT = Path(__file__).resolve().parents[2]
_RUNTIME = "runtime"
# of no use to a block, and most of what a copy would weigh
_LEFT_OUT = ("site-packages", "dist-packages", "test", "idlelib", "ensurepip", "turtledemo", "config-*")


def _base() -> tuple[Path, Path, Path]:
    """The prefix, the real binary and the standard library of the Python that builds."""
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    stdlib = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
    return Path(sys.base_prefix), executable, Path(stdlib)


def _copied(target: Path) -> bool:
    """Whether ``target`` holds the runtime too: strangers may enter it, and not where Python lies."""
    _, executable, stdlib = _base()
    private = not (is_reachable(str(executable)) and is_reachable(str(stdlib)))
    return private and target.parent.exists() and is_reachable(str(target.parent))


def expected_stamp(target: Path) -> dict[str, str]:
    """What the finished environment's stamp says."""
    base, executable, stdlib = _base()
    if _copied(target):
        base, here = target / _RUNTIME, base
        executable, stdlib = base / "bin" / executable.name, base / stdlib.relative_to(here)
    return {
        "pins": hashlib.sha256(PINS.read_bytes()).hexdigest(),
        "version": sys.version.split()[0],
        "base_prefix": str(base),
        "executable": str(executable),
        "stdlib": str(stdlib),
    }


def is_current(target: Path) -> bool:
    """Whether ``target`` holds exactly what would be built."""
    try:
        return bool(json.loads((target / STAMP).read_text()) == expected_stamp(target))
    except (OSError, ValueError):
        return False


def _installer(python: Path) -> list[str]:
    """uv where it is at hand, as it is an order faster; pip otherwise."""
    beside = Path(sys.prefix) / "bin" / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(PINS)]
    subprocess.run(
        [str(python), "-I", "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL
    )
    return [str(python), "-I", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(PINS)]


def _copy_runtime(folder: Path, target: Path) -> None:
    """The binary, its library and the standard library into ``folder``, and its name into the environment's configuration.

    ``folder`` is what will be ``target``.
    """
    base, executable, stdlib = _base()
    copy = folder / _RUNTIME
    shutil.copytree(stdlib, copy / stdlib.relative_to(base), ignore=shutil.ignore_patterns(*_LEFT_OUT))
    (copy / "bin").mkdir()
    shutil.copy2(executable, copy / "bin" / executable.name)
    for library in base.glob(f"lib*/{sysconfig.get_config_var('INSTSONAME')}"):
        if library.suffix != ".a":
            shutil.copy2(library, copy / library.relative_to(base))
    (folder / "pyvenv.cfg").write_text(
        f"home = {target / _RUNTIME / 'bin'}\ninclude-system-site-packages = false\n"
    )


def build_interpreter(target: Path) -> bool:
    """Build the environment in ``target``.

    Returns whether there was anything to do. Raises ``CalledProcessError``.
    """
    if is_current(target):
        return False
    # moved into place when it is whole; scripts in bin/ would name the wrong folder, but jobs only use
    # `python -m`
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        venv.create(fresh, symlinks=True, with_pip=False)
        subprocess.run(_installer(fresh / "bin" / "python"), check=True)
        if _copied(target):
            _copy_runtime(fresh, target)
        # straight to the real binary: a link on the way would not be there inside
        (fresh / "bin" / "python").unlink()
        (fresh / "bin" / "python").symlink_to(expected_stamp(target)["executable"])
        # read-only inside, so nothing could be compiled there later
        compileall.compile_dir(fresh / "lib", quiet=2, workers=1)
        (fresh / STAMP).write_text(json.dumps(expected_stamp(target), indent=1))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def main() -> None:
    """Entry point. Exit code 1 when the packages cannot be installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--venv", type=Path, default=Path(os.environ.get("SANDBOX_VENV") or ROOT / ".venv-sandbox")
    )
    target = parser.parse_args().venv.resolve()
    try:
        built = build_interpreter(target)
    except subprocess.CalledProcessError as error:
        sys.exit(f"The sandbox's interpreter could not be built ({error}). Is the package index reachable?")
    sys.stdout.write(f"Sandbox interpreter {'built' if built else 'is current'}: {target.name}\n")


if __name__ == "__main__":
    main()
