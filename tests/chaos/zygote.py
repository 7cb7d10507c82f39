"""Forks the processes of a chaos run from one that has imported everything, as ``orchestrator.dev.zygote``
does: a restart costs 0.3 s, not 4. Here each child also gets its failpoints.

Reads one JSON object a line (``argv``, ``environment``, ``log``) and answers with the pid of the child, which
runs what ``python argv...`` would run, in a session of its own. The children die with the zygote, and the
zygote with its driver.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

from orchestrator.dev.stack import PROVIDERS

_PR_SET_PDEATHSIG = 1


def preload() -> None:
    """Import what the children need; no such module starts a thread or opens a connection."""
    product = importlib.import_module("orchestrator.dev.zygote")
    for queue in PROVIDERS:
        product.import_for_queue(queue)


def serve() -> None:
    """Fork a child for every line until the driver is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: a killed child is gone at once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    me = os.getpid()
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(asked, me)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def become(asked: dict[str, Any], parent: int) -> None:
    """Be the process that was asked for; never returns."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(asked["environment"])
        product = importlib.import_module("orchestrator.dev.zygote")
        product.read_settings_again()
        importlib.import_module("tests.chaos.failpoints").install()
        gc.enable()
        product.run_python(asked["argv"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - a forked child must never continue as a zygote
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
