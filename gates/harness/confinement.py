"""Keeps a child from writing anywhere but in its own folder, so that no run leaves a note for another.

By Landlock (landlock(7)), where the kernel has it. Elsewhere the folder is emptied after each run, and
nothing keeps a child from the folders of others.
"""

import contextlib
import ctypes
import os
import struct

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS = 38
# Writing and removing files, making entries of every kind; then renaming between folders (version 2) and
# truncating (3).
_WRITE_RIGHTS = {1: 0b1111111110010, 2: 0b11111111110010}
_NEWEST_WRITE_RIGHTS = 0b111111111110010
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")

_libc = ctypes.CDLL(None, use_errno=True)


def prepare_confinement(folder: str) -> int | None:
    """A ruleset that leaves only ``folder`` writable; ``None`` where the kernel has no Landlock."""
    version = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return None
    rights = _WRITE_RIGHTS.get(version, _NEWEST_WRITE_RIGHTS)
    attributes = struct.pack("=Q", rights)
    rules = int(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0))
    if rules < 0:
        return None
    _allow(rules, folder, rights)
    for device in _DEVICES:
        _allow(rules, device, rights & (_WRITE_FILE | _TRUNCATE))
    return rules


def confine(rules: int | None) -> None:
    """Put this process and its children under ``rules`` for good."""
    if rules is not None:
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _libc.syscall(_RESTRICT_SELF, rules, 0)
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    # A device that is missing cannot be written to either.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _libc.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", rights, descriptor), 0)
        os.close(descriptor)
