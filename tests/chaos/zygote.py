"""Starts the processes of the stack by forking one that has already imported everything: a restart costs 0.3
s, not 4.

Reads one JSON object a line (``argv``, ``environment``, ``log``) and answers with the pid of the child, which
runs what ``python argv...`` would run, in a session of its own. The children die with the zygote, and the
zygote with its driver.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
PRELOADED = (
    "orchestrator.celery",
    "celery.bin.worker",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "uvicorn.main",
    "orchestrator.serving.protocol",
    "providers.adapters.anthropic",
    "providers.adapters.openai",
    "providers.adapters.google_genai",
    "orchestrator.flows.scheduler.dispatcher",
    "orchestrator.flows.worker.tasks",
    "providers.calls",
    "orchestrator.urls",
)


def preload() -> None:
    """Import what the children need; no such module starts a thread or opens a connection."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    importlib.import_module("django").setup()
    for name in PRELOADED:
        importlib.import_module(name)


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
        importlib.import_module("tests.chaos.failpoints").install()
        run(asked["argv"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - a forked child must never continue as a zygote
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(argv: list[str]) -> None:
    """What ``python argv...`` runs: ``-m module arguments`` or ``script arguments``."""
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    serve()
