"""A process that keeps the scanners loaded: to start one takes several times as long as to scan a block.

``gates.scanners`` starts it as ``python -I scanner_server.py <descriptor>``. Each message on that socket
brings the end of another, on which one request is read and one answer is written, both JSON. Each request is
served by a fork, which knows no other block. The process ends when nobody holds the other end.

A request is ``{"module": "bandit", "arguments": [...], "folder": path, "seconds": n}``, an answer is
``{"code": n, "stdout": text, "stderr": text}``.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import traceback

SCANNERS = {"bandit": "bandit.cli.main", "detect_secrets": "detect_secrets.main"}


def main() -> None:
    """Serve until the other end is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in SCANNERS.values():
        importlib.import_module(module)
    # What is loaded by now is never collected, so that forks continue to share it.
    gc.freeze()
    # The kernel reaps the forks.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        said, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not said:
            return
        with socket.socket(fileno=descriptors[0]) as connection:
            if os.fork() == 0:
                control.close()
                _serve(connection)


def _serve(connection: socket.socket) -> None:
    """Answer one request; never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with connection.makefile("rb") as reader:
            request = json.loads(reader.read())
        # It waits for nobody, so the clock may end it.
        signal.alarm(request["seconds"])
        os.chdir(request["folder"])
        outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
        for number, descriptor in enumerate(outputs, start=1):
            os.dup2(descriptor, number)
        code = _run_module(request["module"], request["arguments"])
        texts = [_read_whole(descriptor) for descriptor in outputs]
        answer = {"code": code, "stdout": texts[0], "stderr": texts[1]}
        connection.sendall(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _run_module(module: str, arguments: list[str]) -> int:
    """As ``python -m module arguments``; the exit code."""
    if module not in SCANNERS:
        raise ValueError(module)
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001 - as Python itself ends a program
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code


def _read_whole(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode("utf-8", "replace")


if __name__ == "__main__":
    main()
