"""``python -m gates.sandbox.build``: build the lean interpreter from ``requirements.txt`` beside it, once.

The second time costs nothing: a stamp holds the digest of the pins and the version of Python. The environment
is built beside its place and moved there whole, so that a build cut short leaves no half of one.

Where Python itself is in a private folder (pyenv or uv in root's home), its runtime is copied along. A job
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
from dataclasses import dataclass
from pathlib import Path

from gates.sandbox.layout import is_reachable
from gates.sandbox.stamp import HYPOTHESIS, LOCALES, PINS, STAMP

ROOT = Path(__file__).resolve().parents[2]
_RUNTIME = "runtime"
_LOCALE, _LOCALE_SOURCES = "tr_TR", Path("/usr/share/i18n")
# A block uses none of these, and they are most of what a copy would weigh.
_LEFT_OUT = ("site-packages", "dist-packages", "test", "idlelib", "ensurepip", "turtledemo", "config-*")


@dataclass(frozen=True, slots=True)
class _Runtime:
    """A Python: its prefix, the real binary and the standard library."""

    prefix: Path
    executable: Path
    stdlib: Path

    def moved_to(self, prefix: Path) -> "_Runtime":
        """The same files below another prefix."""
        executable = prefix / "bin" / self.executable.name
        return _Runtime(prefix, executable, prefix / self.stdlib.relative_to(self.prefix))


def _find_runtime() -> _Runtime:
    """The Python that builds, below any virtual environment."""
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    bases = {"installed_base": sys.base_prefix, "base": sys.base_prefix}
    return _Runtime(Path(sys.base_prefix), executable, Path(sysconfig.get_path("stdlib", vars=bases)))


def _needs_copy(target: Path) -> bool:
    """Whether ``target`` has to hold the runtime too: any user may enter it, but not the place of Python."""
    runtime = _find_runtime()
    private = not (is_reachable(str(runtime.executable)) and is_reachable(str(runtime.stdlib)))
    return private and target.parent.exists() and is_reachable(str(target.parent))


def expected_stamp(target: Path) -> dict[str, str]:
    """What the stamp of the finished environment says."""
    runtime = _find_runtime()
    if _needs_copy(target):
        runtime = runtime.moved_to(target / _RUNTIME)
    return {
        "pins": hashlib.sha256(PINS.read_bytes()).hexdigest(),
        "version": sys.version.split()[0],
        "base_prefix": str(runtime.prefix),
        "executable": str(runtime.executable),
        "stdlib": str(runtime.stdlib),
        "hypothesis": HYPOTHESIS,
        "locale": _LOCALE if _can_build_locale() else "",
    }


def _can_build_locale() -> bool:
    """Whether the C library's tool and its sources are installed; small images leave them out."""
    return shutil.which("localedef") is not None and (_LOCALE_SOURCES / "locales" / _LOCALE).exists()


def _build_locale(folder: Path) -> None:
    """A locale with other numbers and names, so that the gates can see whether results depend on it."""
    place = folder / "lib" / LOCALES
    place.mkdir()
    # It warns of what newer standards ask for, and then ends with 1.
    command = ["localedef", "--force", "-i", _LOCALE, "-f", "UTF-8", str(place / f"{_LOCALE}.UTF-8")]
    subprocess.run(command, check=False, capture_output=True)


def _prepare_hypothesis(folder: Path) -> None:
    """What hypothesis would compute in each run that draws texts: more than a second's work."""
    code = (
        "import sys; from hypothesis.configuration import set_hypothesis_home_dir as put; put(sys.argv[1]); "
        "from hypothesis.internal.charmap import charmap; charmap()"
    )
    place = folder / "lib" / HYPOTHESIS
    subprocess.run([str(folder / "bin" / "python"), "-I", "-c", code, str(place)], check=True)


def is_current(target: Path) -> bool:
    """Whether ``target`` holds exactly what would be built."""
    try:
        return bool(json.loads((target / STAMP).read_text()) == expected_stamp(target))
    except (OSError, ValueError):
        return False


def _installer_command(python: Path) -> list[str]:
    """uv where it is installed, because it is ten times faster; pip otherwise."""
    options = ["install", "--quiet", "--require-hashes", "-r", str(PINS)]
    beside = Path(sys.prefix) / "bin" / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        return [uv, "pip", *options, "--python", str(python)]
    # The environment was made without pip, which uv does not need.
    ensure_pip = [str(python), "-I", "-m", "ensurepip", "--default-pip"]
    subprocess.run(ensure_pip, check=True, stdout=subprocess.DEVNULL)
    return [str(python), "-I", "-m", "pip", *options]


def _copy_runtime(folder: Path, target: Path) -> None:
    """Copy the binary, its library and the standard library into ``folder``, which will become ``target``.

    The environment's configuration then names the copy.
    """
    runtime = _find_runtime()
    copy = runtime.moved_to(folder / _RUNTIME)
    shutil.copytree(runtime.stdlib, copy.stdlib, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    copy.executable.parent.mkdir()
    shutil.copy2(runtime.executable, copy.executable)
    for library in runtime.prefix.glob(f"lib*/{sysconfig.get_config_var('INSTSONAME')}"):
        # A Python that is not built as a shared library names an archive for linkers here.
        if library.suffix != ".a":
            shutil.copy2(library, copy.prefix / library.relative_to(runtime.prefix))
    home = target / _RUNTIME / "bin"
    (folder / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")


def build_interpreter(target: Path) -> bool:
    """Build the environment in ``target``.

    Returns whether there was anything to do. Raises ``CalledProcessError``.
    """
    if is_current(target):
        return False
    # Scripts in bin/ will name the wrong folder after the move; jobs only use `python -m`.
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        venv.create(fresh, symlinks=True, with_pip=False)
        python = fresh / "bin" / "python"
        subprocess.run(_installer_command(python), check=True)
        _prepare_hypothesis(fresh)
        if _needs_copy(target):
            _copy_runtime(fresh, target)
        stamp = expected_stamp(target)
        if stamp["locale"]:
            _build_locale(fresh)
        # Straight to the real binary: a link on the way would not be there inside the sandbox.
        python.unlink()
        python.symlink_to(stamp["executable"])
        # The folder is read-only inside, so nothing could be compiled there later.
        compileall.compile_dir(fresh / "lib", quiet=2, workers=1)
        (fresh / STAMP).write_text(json.dumps(stamp, indent=1))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def main() -> None:
    """Entry point. Exit code 1 when the packages cannot be installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("SANDBOX_VENV") or ROOT / ".venv-sandbox")
    parser.add_argument("--venv", type=Path, default=default)
    target = parser.parse_args().venv.resolve()
    try:
        built = build_interpreter(target)
    except subprocess.CalledProcessError as error:
        sys.exit(f"The sandbox's interpreter could not be built ({error}). Is the package index reachable?")
    sys.stdout.write(f"Sandbox interpreter {'built' if built else 'is current'}: {target.name}\n")


if __name__ == "__main__":
    main()
