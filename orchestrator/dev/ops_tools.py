"""Prometheus and Alertmanager without root and without an installation.

``make ops`` (``python -m orchestrator.dev.ops_tools``) downloads the Debian packages by apt and unpacks them
into a cache. Nothing is installed, and no service starts. A machine that has the programs on its PATH uses
those.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import FixedBy, OrchestratorError

PACKAGES = ("prometheus", "prometheus-alertmanager")
# Its own package from Debian 13 on; Debian 12 has promtool in the package prometheus.
OPTIONAL_PACKAGES = ("promtool",)
TEMPLATES = Path("usr/share/prometheus/alertmanager")
APT_SECONDS = 600


class OpsToolsError(OrchestratorError):
    """Prometheus and Alertmanager could not be unpacked; the message has apt's own words."""

    code = "dev:ops-tools"
    cure = "Run make ops on Debian or Ubuntu, or put prometheus, promtool, alertmanager and amtool on PATH."
    fixed_by = FixedBy.OPERATOR


@dataclass(frozen=True, slots=True)
class OpsTools:
    """Where the programs are.

    ``templates`` is what an unpacked Alertmanager misses; None where it is installed.
    """

    prometheus: str
    promtool: str
    alertmanager: str
    amtool: str
    templates: Path | None

    def compose_alertmanager(self, *arguments: str) -> list[str]:
        """The command that starts Alertmanager.

        It reads its default template from an absolute path, so an unpacked one runs where that path shows the
        unpacked folder.
        """
        command = [self.alertmanager, *arguments]
        if self.templates is None or Path("/", TEMPLATES).exists():
            return command
        bubblewrap = shutil.which("bwrap")
        if bubblewrap is None:
            raise OpsToolsError("An unpacked Alertmanager needs bubblewrap (bwrap), which is not on PATH.")
        shown = "/usr/share"
        return [
            bubblewrap,
            "--die-with-parent",
            *("--dev-bind", "/", "/"),
            *("--tmpfs", shown),
            *("--ro-bind", str(self.templates), str(Path("/", TEMPLATES))),
            "--",
            *command,
        ]


def find_cache() -> Path:
    """The folder of the unpacked programs: in the user's cache, or in the checkout where there is none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")
    parent = Path(home)
    if not (parent.is_absolute() and os.access(_find_existing(parent), os.W_OK)):
        parent = Path(__file__).resolve().parents[2] / ".state"
    return parent / "multi-llm-orchestrator" / f"ops-{platform.machine()}"


def find_ops_tools() -> OpsTools | None:
    """The programs on PATH or in the cache; None where one of them is missing."""
    unpacked = find_cache() / "usr" / "bin"
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), str(unpacked)))
    found = {name: shutil.which(name, path=search) for name in ("prometheus", "promtool", "amtool")}
    # Debian's name first, then the name in Prometheus's archives.
    found["alertmanager"] = shutil.which("prometheus-alertmanager", path=search) or shutil.which(
        "alertmanager", path=search
    )
    programs = {name: path for name, path in found.items() if path is not None}
    if len(programs) < len(found):
        return None
    is_unpacked = Path(programs["alertmanager"]).is_relative_to(unpacked)
    return OpsTools(**programs, templates=find_cache() / TEMPLATES if is_unpacked else None)


def unpack_ops_tools() -> OpsTools:
    """Download and unpack what is missing; raises ``OpsToolsError``."""
    present = find_ops_tools()
    if present is not None:
        return present
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise OpsToolsError(f"This machine has no {program}, so Prometheus cannot be unpacked.")
    cache = find_cache()
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ops-", dir=cache.parent) as folder:
        work = Path(folder)
        _download_packages(work)
        unpacked = work / "root"
        for package in sorted(work.glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(unpacked)])
        # Two that unpack at once: the first one's folder stays.
        if not cache.exists():
            unpacked.rename(cache)
    found = find_ops_tools()
    if found is None:
        raise OpsToolsError(f"The packages were unpacked into {cache}, but a program is missing there.")
    return found


def _download_packages(work: Path) -> None:
    """Fetch the packages into ``work`` with lists and caches of its own, so that no root is needed."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    options = [
        *("-o", f"Dir::State={work / 'state'}"),
        *("-o", "Dir::State::status=/var/lib/dpkg/status"),
        *("-o", f"Dir::Cache={work / 'cache'}"),
        # apt gives up root for an account that may not enter our folder, and only warns that it did not.
        *("-o", "APT::Sandbox::User=root"),
    ]
    _run(["apt-get", *options, "-qq", "update"])
    _run(["apt-get", *options, "-qq", "download", *PACKAGES], cwd=work)
    for package in OPTIONAL_PACKAGES:
        # Exits with an error where the package does not exist, which is how older releases answer.
        subprocess.run(
            ["apt-get", *options, "-qq", "download", package],
            cwd=work,
            capture_output=True,
            timeout=APT_SECONDS,
            check=False,
        )


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=APT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpsToolsError(f"{command[0]} did not end: {error}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-500:]
        raise OpsToolsError(f"{command[0]} failed: {words}")


def _find_existing(path: Path) -> Path:
    """``path`` or its nearest parent that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def main() -> int:
    """Unpack and say where; 1 with the reason and the cure where it cannot be done."""
    try:
        tools = unpack_ops_tools()
    except OpsToolsError as error:
        sys.stderr.write(f"{error}\n{error.cure}\n")
        return 1
    for path in (tools.prometheus, tools.promtool, tools.alertmanager, tools.amtool):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
