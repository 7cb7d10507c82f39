"""Runs the scanners of the security gate over a block's files: bandit, ruff and detect-secrets.

Each has to prove that it looked at every file and at nothing else, and none listens to a comment that
silences it. They only read; no code of the block runs. A scanner that is missing, crashes or answers nonsense
raises ``ScannerFailed``.
"""

import atexit
import json
import os
import secrets
import socket
import string
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gates.errors import ScannerFailed
from gates.scanner_server import SCANNERS

_SECONDS = 60
# 0 is clean, 1 has findings; everything else is a failure of the scanner.
_RESULT_CODES = (0, 1)
_SERVER = Path(__file__).with_name("scanner_server.py")
_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
_CANARY_CHARACTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class ScannerFinding:
    """What one scanner reported, in its own words. ``rule`` is its id; lines count from 1."""

    rule: str
    message: str
    path: str
    line: int
    end_line: int


def describe_scanners() -> str:
    """Name and version of each scanner, for the evidence."""
    names = ("bandit", "ruff", "detect-secrets")
    return ", ".join(f"{name} {version(name)}" for name in names)


def scan_with_bandit(folder: Path, files: Mapping[str, str]) -> list[ScannerFinding]:
    """bandit's findings for the Python of ``files``, which are in ``folder``."""
    answer = _run_scanner(folder, "bandit", "-r", ".", "-f", "json", "-q", "--ignore-nosec")
    report = _parse_json("bandit", answer)
    try:
        # bandit ends with 0 also when it could not read a file.
        if report["errors"]:
            raise ScannerFailed(f"bandit could not read {report['errors'][0].get('filename')}")
        scanned = [Path(name).name for name in report["metrics"] if name != "_totals"]
        _require_all_scanned("bandit", scanned, files)
        return [_parse_bandit_result(result) for result in report["results"]]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ScannerFailed("bandit gave a malformed result") from error


def _parse_bandit_result(result: dict[str, Any]) -> ScannerFinding:
    return ScannerFinding(
        rule=result["test_id"],
        message=result["issue_text"],
        path=Path(result["filename"]).name,
        line=result["line_number"],
        end_line=result["line_range"][-1],
    )


def scan_with_ruff(folder: Path, files: Mapping[str, str]) -> list[ScannerFinding]:
    """Findings of ruff's ``S`` rules for the Python of ``files``, which are in ``folder``."""
    options = ("--isolated", "--no-cache", "--select", "S", ".")
    # A run of its own, because the findings do not say which files had none.
    listed = _run_scanner(folder, "ruff", "check", "--show-files", *options)
    _require_all_scanned("ruff", [Path(line).name for line in listed.splitlines()], files)
    answer = _run_scanner(folder, "ruff", "check", "--ignore-noqa", "--output-format", "json", *options)
    results = _parse_json("ruff", answer)
    try:
        return [_parse_ruff_result(result) for result in results]
    except (KeyError, TypeError) as error:
        raise ScannerFailed("ruff gave a malformed result") from error


def _parse_ruff_result(result: dict[str, Any]) -> ScannerFinding:
    return ScannerFinding(
        # A syntax error has no code.
        rule=result["code"] or "syntax",
        message=result["message"],
        path=Path(result["filename"]).name,
        line=result["location"]["row"],
        end_line=result["end_location"]["row"],
    )


def scan_for_secrets(files: Mapping[str, str]) -> list[ScannerFinding]:
    """detect-secrets' findings for ``files``; ``rule`` is the kind of the secret.

    detect-secrets does not say what it read. So each file gets a canary, a made-up key, as its last line: a
    file whose canary is not found was not scanned.
    """
    canary_lines = {}
    with tempfile.TemporaryDirectory(prefix="secrets-") as name:
        folder = Path(name)
        for path, text in files.items():
            body = text if text.endswith("\n") else text + "\n"
            (folder / path).write_text(f"{body}{_make_canary()}\n", encoding="utf-8", newline="")
            canary_lines[path] = body.count("\n") + 1
        no_pragmas = ("--disable-filter", "detect_secrets.filters.allowlist.is_line_allowlisted")
        answer = _run_scanner(folder, "detect_secrets", "scan", "--all-files", "-n", *no_pragmas, ".")
    report = _parse_json("detect-secrets", answer)
    try:
        found = [
            ScannerFinding(result["type"], "", Path(path).name, result["line_number"], result["line_number"])
            for path, results in report["results"].items()
            for result in results
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ScannerFailed("detect-secrets gave a malformed result") from error
    # Only now: a canary that was not found makes every other result worthless.
    places = {(finding.path, finding.line) for finding in found}
    for path, line in canary_lines.items():
        if (path, line) not in places:
            raise ScannerFailed(f"detect-secrets did not look at {path}")
    return [finding for finding in found if finding.line != canary_lines[finding.path]]


def _make_canary() -> str:
    """A text in the form of an AWS key id."""
    return "AKIA" + "".join(secrets.choice(_CANARY_CHARACTERS) for _ in range(16))


def _run_scanner(folder: Path, module: str, *arguments: str) -> str:
    """Standard output of ``python -m module arguments`` in ``folder``, without the worker's environment."""
    if module in SCANNERS:
        code, output, errors = _LOADED.run(folder, module, arguments)
    else:
        code, output, errors = _start_scanner(folder, module, arguments)
    if code not in _RESULT_CODES:
        raise ScannerFailed(f"{module} ended with {code}: {errors[-300:]}")
    return output


def _start_scanner(folder: Path, module: str, arguments: Sequence[str]) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            # -I: neither the folder nor the user's site may bring modules of the scanner's imports.
            [sys.executable, "-I", "-m", module, *arguments],
            cwd=folder,
            env={**_ENVIRONMENT, "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScannerFailed(f"{module} did not run: {error}") from error
    return done.returncode, done.stdout, done.stderr


class _LoadedScanners:
    """The server of this process, started when it is first needed and again when it is gone.

    Threads, and forks of this process, may use it at once: each request has a connection of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, folder: Path, module: str, arguments: Sequence[str]) -> tuple[int, str, str]:
        """Exit code and both outputs. Raises ``ScannerFailed`` where there is no answer."""
        request = {
            "module": module,
            "arguments": list(arguments),
            "folder": str(folder),
            "seconds": _SECONDS,
        }
        try:
            with self._connect() as connection:
                connection.settimeout(_SECONDS)
                connection.sendall(json.dumps(request).encode())
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile("rb") as reader:
                    answer = json.loads(reader.read())
            return int(answer["code"]), str(answer["stdout"]), str(answer["stderr"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ScannerFailed(f"{module} did not run: {error}") from error

    def close(self) -> None:
        """End the server."""
        if self._control is not None and self.process is not None:
            self._control.close()
            self.process.wait()
            self._control = None

    def _connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            if self._control is None or not _hand_over(self._control, theirs):
                self._control, self.process = _start_server()
                _hand_over(self._control, theirs)
        return ours


def _hand_over(control: socket.socket, end: socket.socket) -> bool:
    """Whether there is a server to take ``end``."""
    try:
        socket.send_fds(control, [b"+"], [end.fileno()])
    except OSError:
        control.close()
        return False
    return True


def _start_server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_SERVER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**_ENVIRONMENT, "HOME": "/nonexistent"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours, process


_LOADED = _LoadedScanners()
atexit.register(_LOADED.close)


def _parse_json(tool: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ScannerFailed(f"{tool} gave no result") from error


def _require_all_scanned(tool: str, scanned: Iterable[str], files: Mapping[str, str]) -> None:
    """Raise unless the scanner looked at every submitted Python file, and at nothing else."""
    expected = {path for path in files if path.endswith(".py")}
    if set(scanned) != expected:
        raise ScannerFailed(f"{tool} looked at {sorted(scanned)} instead of {sorted(expected)}")
