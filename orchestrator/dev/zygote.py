"""Becomes the processes of the stack: a process that has imported the product once, and forks.

``python -m orchestrator.dev.zygote`` reads from the socket at its standard input, see ``forking``. Ten
processes that import for themselves take ten times the seconds and the memory of one. It holds no secret:
each child reads its own environment, and the settings again, after the fork.
"""

import gc
import os

import django

# Nothing that is imported becomes garbage, so looking for garbage meanwhile is lost time.
gc.disable()
SETTINGS = "orchestrator.settings"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
django.setup()

# Django's apps come first, so these follow. Most are here only to be in memory when a child asks for them.
import atexit  # noqa: E402
import ctypes  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import runpy  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import celery.apps.worker  # noqa: E402
import celery.bin.celery  # noqa: E402
import celery.bin.worker  # noqa: E402
import celery.concurrency.prefork  # noqa: E402
import celery.concurrency.thread  # noqa: E402, F401
import flower.app  # noqa: E402
import flower.command  # noqa: E402, F401
import kombu.transport.redis  # noqa: E402, F401
import psycopg_pool  # noqa: E402, F401
import uvicorn.main  # noqa: E402, F401
from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

import orchestrator.flows.scheduler.dispatcher  # noqa: E402
import orchestrator.flows.worker.tasks  # noqa: E402
import orchestrator.ops.observability.exporter  # noqa: E402
import orchestrator.serving.protocol  # noqa: E402
import orchestrator.urls  # noqa: E402, F401
from orchestrator import child_processes  # noqa: E402
from orchestrator.celery import app, compose_broker_settings  # noqa: E402
from orchestrator.flows import flow_types  # noqa: E402
from orchestrator.flows.stages.registry import load_stage  # noqa: E402
from providers.registry import ADAPTERS  # noqa: E402

_PR_SET_NAME = 15  # prctl(2)
_NAME_BYTES = 64
_libc = ctypes.CDLL(None, use_errno=True)


def serve(channel: socket.socket) -> None:
    """Fork a child for each request, until nobody can ask any more."""
    parent = os.getppid()
    while True:
        name, files, _, _ = socket.recv_fds(channel, _NAME_BYTES, 2)
        if not name:
            return
        import_for_queue(name.decode())
        # What is loaded stays: no collection of a child walks it, so the pages stay shared.
        gc.freeze()
        if threading.active_count() > 1:
            raise RuntimeError(f"A fork would lose threads: {threading.enumerate()}")
        between = os.fork()
        if between == 0:
            # The one in between ends at once, so that the child belongs to the process that asked, which
            # waits for it as for any other child.
            if os.fork() == 0:
                become_process(channel, parent, name.decode(), *files)
            os._exit(0)
        os.waitpid(between, 0)
        for file in files:
            os.close(file)


def import_for_queue(queue: str) -> None:
    """Import what a worker of ``queue`` will need; the SDKs take longer than everything else together."""
    for kind in flow_types.kinds_on_queue(queue):
        load_stage(kind)
    adapter = queue
    if queue == "google":
        adapter = settings.GOOGLE_SDK
    elif queue in settings.COMPATIBLE_PROVIDERS:
        adapter = "compatible"
    if adapter in ADAPTERS:
        ADAPTERS.get(adapter)


def become_process(channel: socket.socket, parent: int, name: str, request: int, output: int) -> None:
    """Be the process that was asked for; never returns."""
    code = 1
    try:
        os.setsid()
        # It belongs to the one in between until that has ended.
        while os.getppid() != parent and Path(f"/proc/{parent}").exists():
            time.sleep(0.001)
        child_processes.end_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        with os.fdopen(request, encoding="utf-8") as file:
            asked = json.load(file)
        name_process(name, asked["argv"])
        channel.send(str(os.getpid()).encode())
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, channel.detach())
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update({"DJANGO_SETTINGS_MODULE": SETTINGS} | asked["environment"])
        read_settings_again()
        gc.enable()
        run_python(asked["argv"])
        code = 0
    except SystemExit as end:
        code = read_exit_code(end)
    except BaseException:  # noqa: BLE001 - a forked child must never continue as what it was forked from
        sys.excepthook(*sys.exc_info())
    finally:
        end_process(code)


def read_settings_again() -> None:
    """Let Django and Celery read this process's own environment."""
    read = importlib.reload(sys.modules[SETTINGS])
    # Over what is there, because some apps add defaults of their own when they are imported.
    for name in dir(read):
        if name.isupper():
            setattr(settings, name, getattr(read, name))
    connections.settings = connections.configure_settings(settings.DATABASES)
    for connection in connections.all(initialized_only=True):
        del connections[connection.alias]
    app.conf.update(compose_broker_settings(settings.REDIS_URL))


def run_python(argv: list[str]) -> None:
    """Do what ``python argv...`` does, for ``-m module arguments`` and ``script arguments``."""
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")


def read_exit_code(end: SystemExit) -> int:
    """The code with which Python would exit."""
    if isinstance(end.code, int):
        return end.code
    if end.code is None:
        return 0
    sys.stderr.write(f"{end.code}\n")
    return 1


def end_process(code: int) -> None:
    """End as Python does: wait for threads, run what was registered, write everything out."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter itself calls
        atexit._run_exitfuncs()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def name_process(name: str, argv: list[str]) -> None:
    """Show the command in the list of processes, in the place that the zygote's own has there."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    # proc(5): the fields after the name, which may hold spaces; two of them say where the command is.
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    shown = b"\0".join(part.encode() for part in (sys.executable, *argv))[: end - begin - 1]
    ctypes.memmove(begin, shown.ljust(end - begin, b"\0"), end - begin)


def main() -> None:
    """Serve at the socket that the parent has left as standard input."""
    # Ctrl-C is for the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=0))


if __name__ == "__main__":
    main()
