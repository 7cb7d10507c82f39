"""What a job is given: its files in a private folder, its environment, its account on the host."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

SOURCE, VENV, EXTRA = "/work/src", "/work/venv", "/work/extra"
# Below the lean environment.
PYTHON = "bin/python"
INSIDE_ID = 1000
DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
# Far above the ids of people and services, and one for each job, so that the kernel's count of tasks per user
# is the job's own.
_FIRST_SPARE_ID, _SPARE_IDS = 1_610_612_736, 1 << 28
_NOBODY = 65534
_FOLDER = "sandbox-"


@dataclass(frozen=True, slots=True)
class HostAccount:
    """A user and a group of the host that own nothing."""

    uid: int
    gid: int


def spare_account() -> HostAccount | None:
    """A separate account for the job where this process is root, else ``None``."""
    if os.geteuid() != 0:
        return None
    wanted = _FIRST_SPARE_ID + secrets.randbelow(_SPARE_IDS)
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= wanted < first + count:
            return HostAccount(wanted, wanted)
    # A container whose map of users is too short for such an id.
    return HostAccount(_NOBODY, _NOBODY)


@cache
def is_reachable(path: str) -> bool:
    """Whether any user may read ``path``, which takes that any user may enter each folder above it."""
    place = Path(path)
    may_enter = all(folder.stat().st_mode & 0o001 for folder in place.resolve().parents)
    return may_enter and bool(place.stat().st_mode & 0o004)


def job_environment(
    extra: Mapping[str, str],
    tmp: str = "/tmp",  # noqa: S108 - the job's own
) -> dict[str, str]:
    """All variables of a job's environment; no variable of the host."""
    return {
        "PATH": "/nowhere",
        "HOME": tmp,
        "TMPDIR": tmp,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        **extra,
    }


def _check_relative(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise ValueError(f"{name!r} is not a path inside the source folder.")
    return path


def sweep_abandoned_folders() -> int:
    """Remove the folders of jobs whose process was killed, which could not do so itself; how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}[0-9]*-*"):
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Another account's process: it is there.
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def source_folder(
    files: Mapping[str, bytes], account: HostAccount | None, links: Mapping[str, str]
) -> Iterator[Path]:
    """``files`` in a folder that only this job's account can enter, gone at the end.

    ``links`` (name to where it leads, as the job sees it) are put beside them. Raises ``ValueError`` for a
    path that leads out of the folder.
    """
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as private:
        source = Path(private) / "src"
        source.mkdir(mode=0o755)
        for name, content in files.items():
            target = source / _check_relative(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for name, target_name in links.items():
            (source / _check_relative(name)).symlink_to(target_name)
        if account:
            os.chown(private, account.uid, account.gid)
        yield source
