"""Confines a program of the host that reads what strangers send, as git does; ``launcher.py`` does the work.

Such a program needs its own files and libraries, which a job of ``gates.sandbox`` does not have. It gets a
folder, an account where the worker is root, and a network in which nobody is, with a door to where the caller
lets it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from gates.sandbox.layout import DEVICES, HostAccount, spare_account

_LAUNCHER = Path(__file__).with_name("launcher.py")
# Programs and libraries, whom they trust, and how they find each other: no part of a deployment is there.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/passwd", "/etc/nsswitch.conf"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and what it may use.

    - ``argv[0]`` is a path; ``folder`` is its working directory, and all that it may write; ``readable`` is
      beside the system's own files.
    - ``own_network``: without it, ``ports`` are those that it may connect to, where the kernel sees to that.
    - ``port`` and ``channel``: the port of 127.0.0.1 in that network which is handed to the caller, as a
      listening socket, over this descriptor of a Unix socket.
    """

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    account: HostAccount | None
    readable: Sequence[str] = ()
    own_network: bool = False
    ports: Sequence[int] = ()
    port: int = 0
    channel: int = -1
    files: Sequence[IO[bytes]] = field(default=())
    """Standard input, output and error."""


def start_command(command: Command) -> "subprocess.Popen[bytes]":
    """Start it, in a session of its own. Where it cannot be confined, it is not run: an error ends it."""
    paths = [path for path in (*_SYSTEM, *command.readable) if path and os.path.exists(path)]
    account = command.account
    spec = {
        "mode": "command",
        "account": [account.uid, account.gid] if account else None,
        "inside_id": account.uid if account else os.geteuid(),
        "readable": paths,
        "writable": [str(command.folder)],
        "devices": [device for device in DEVICES if os.path.exists(device)],
        "own_network": command.own_network,
        "ports": list(command.ports),
        "port": command.port,
        "channel": command.channel,
        "argv": list(command.argv),
        "environment": dict(command.environment),
    }
    reading, writing = os.pipe()
    passed = [reading] if command.channel < 0 else [reading, command.channel]
    stdin, stdout, stderr = command.files or (subprocess.DEVNULL,) * 3
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_LAUNCHER), str(reading)],
            cwd=command.folder,
            env={},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=passed,
            start_new_session=True,
        )
    finally:
        os.close(reading)
    # Longer than a pipe holds, perhaps, so it is written while the launcher reads.
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(spec).encode())
    return process


@cache
def can_have_own_network() -> bool:
    """Whether this machine lets a command have a network of its own."""
    tried = Command(["/bin/sh", "-c", ":"], Path("/"), {}, spare_account(), own_network=True)
    return start_command(tried).wait() == 0
