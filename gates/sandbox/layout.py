"""What a job is given: its files in a private folder, its environment, its account on the host."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

SOURCE, VENV, EXTRA = "/work/src", "/work/venv", "/work/extra"
PYTHON = "bin/python"  # below the lean environment
INSIDE_ID = 1000
DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
# far above what people and services use, and one per job: so that the kernel's count of tasks per user is the
# job's own
_FIRST_SPARE_ID, _SPARE_IDS = 1_610_612_736, 1 << 28
_NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group of the host that own nothing."""

    uid: int
    gid: int


def spare_account() -> Account | None:
    """An account of the job's own when we are root, else ``None``: an ordinary user cannot become another."""
    if os.geteuid() != 0:
        return None
    wanted = _FIRST_SPARE_ID + secrets.randbelow(_SPARE_IDS)
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= wanted < first + count:
            return Account(wanted, wanted)
    return Account(_NOBODY, _NOBODY)  # a container with a short map of users


@cache
def is_reachable(path: str) -> bool:
    """Whether a stranger may read ``path``: everybody may enter each folder above it."""
    place = Path(path)
    above = all(folder.stat().st_mode & 0o001 for folder in place.resolve().parents)
    return above and bool(place.stat().st_mode & 0o004)


def job_environment(extra: Mapping[str, str], tmp: str = "/tmp") -> dict[str, str]:  # noqa: S108 (the job's own)
    """All that a job finds in its environment."""
    return {
        "PATH": "/nowhere",
        "HOME": tmp,
        "TMPDIR": tmp,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        **extra,
    }


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise ValueError(f"{name!r} is not a path inside the source folder.")
    return path


@contextlib.contextmanager
def source_folder(
    files: Mapping[str, bytes], account: Account | None, links: Mapping[str, str]
) -> Iterator[Path]:
    """``files`` in a folder that only this job's account can enter, gone at the end.

    ``ValueError`` for a path that leads out.

    ``links`` (name to where it leads, as the job sees it) lie beside them.
    """
    with tempfile.TemporaryDirectory(prefix="sandbox-") as private:
        source = Path(private) / "src"
        source.mkdir(mode=0o755)
        for name, content in files.items():
            target = source / _checked(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for name, target_name in links.items():
            (source / _checked(name)).symlink_to(target_name)
        if account:
            os.chown(private, account.uid, account.gid)
        yield source
