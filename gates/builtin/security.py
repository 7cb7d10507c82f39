"""The security gate: four readers of the text, none of which listens to a suppression, and none of which runs the code."""

import json
import os
import re
import secrets
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gates.allowlist import find_refusals
from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.candidate import find_problems
from gates.credentials import find_secrets
from gates.evidence import format_sarif
from gates.repo_files import list_importable_modules

_SECONDS = 60
_CURE = "Remove what was found; comments that silence a scanner are ignored."
# Said, not refused: assertions, randomness and weak digests (a checksum is one), swallowed errors in small code.
_ADVISORY = {
    "S101",
    "S110",
    "S112",
    "S311",
    "S324",
    "B101",
    "B110",
    "B112",
    "B311",
    "B324",
}
# Said by the name of a variable alone: an error where its value looks like a secret.
_BY_NAME = {"S105", "S106", "S107", "B105", "B106", "B107"}
_IN_TESTS = {"S101", "S105", "S106", "S107", "S108", "B101", "B105", "B106", "B107", "B108"}
_SENSITIVE = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)


class ScannerFailed(Exception):
    """A scanner is missing, crashed, or did not look at every file."""

    code = "gates:scanner-failed"


class SecurityGate:
    """bandit, ruff's S rules, detect-secrets, and the allowlist of imports and builtins."""

    name = "security"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:  # noqa: ARG002 - the protocol's shape
        if found := find_problems(candidate):
            return self._report(candidate, found)
        with tempfile.TemporaryDirectory(prefix="scan-") as folder:
            root = Path(folder)
            for path, text in candidate.files.items():
                (root / path).write_text(text, encoding="utf-8", newline="")
            scanners: tuple[Callable[[Path, Candidate], list[Finding]], ...] = (
                _bandit,
                _ruff,
                _secrets,
                _allowlist,
            )
            with ThreadPoolExecutor(len(scanners)) as threads:
                batches = list(threads.map(lambda scan: scan(root, candidate), scanners))
        return self._report(
            candidate, tuple(finding for batch in batches for finding in batch if not _expected(finding))
        )

    def _report(self, candidate: Candidate, findings: tuple[Finding, ...]) -> GateReport:
        errors = [finding for finding in findings if finding.severity == "error"]
        warnings = sum(finding.severity == "warning" for finding in findings)
        shown = "\n".join(f"- {each.path}:{each.line} {each.rule}: {each.message}" for each in errors[:20])
        tools = (
            f"bandit {version('bandit')}, ruff {version('ruff')}, detect-secrets {version('detect-secrets')}"
        )
        return GateReport(
            gate=self.name,
            verdict=Verdict.FAILED if errors else Verdict.PASSED,
            summary=f"{len(errors)} findings that block, {len(findings) - len(errors)} remarks in {len(candidate.files)} files",
            score=Decimal(max(0, 100 - 25 * len(errors) - warnings)),
            findings=findings,
            evidence={"security.sarif": format_sarif(tools, "", findings, candidate.files)},
            details={"files": len(candidate.files), "tools": tools},
            feedback=shown,
            cure=_CURE if errors else "",
        )


def _tool(folder: Path, *arguments: str) -> str:
    """Standard output of a scanner. Only 0 (clean) and 1 (findings) are results."""
    environment = {"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-I", "-m", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScannerFailed(f"{arguments[0]} did not run: {error}") from error
    if done.returncode not in (0, 1):
        raise ScannerFailed(f"{arguments[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


def _parsed(tool: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ScannerFailed(f"{tool} gave no result") from error


def _all_scanned(tool: str, scanned: Iterable[str], candidate: Candidate, suffix: str) -> None:
    """Every submitted file must have been looked at, and nothing else."""
    expected = {path for path in candidate.files if path.endswith(suffix)}
    if set(scanned) != expected:
        raise ScannerFailed(f"{tool} looked at {sorted(scanned)} instead of {sorted(expected)}")


def _bandit(folder: Path, candidate: Candidate) -> list[Finding]:
    report = _parsed("bandit", _tool(folder, "bandit", "-r", ".", "-f", "json", "-q", "--ignore-nosec"))
    if report["errors"]:
        raise ScannerFailed(f"bandit could not read {report['errors'][0].get('filename')}")
    _all_scanned(
        "bandit", (Path(name).name for name in report["metrics"] if name != "_totals"), candidate, ".py"
    )
    return [
        _finding(
            candidate,
            each["test_id"],
            each["issue_text"],
            Path(each["filename"]).name,
            each["line_number"],
            each["line_range"][-1],
        )
        for each in report["results"]
    ]


def _ruff(folder: Path, candidate: Candidate) -> list[Finding]:
    options = ("--isolated", "--no-cache", "--select", "S", ".")
    listed = _tool(folder, "ruff", "check", "--show-files", *options).splitlines()
    _all_scanned("ruff", (Path(line).name for line in listed), candidate, ".py")
    found = _parsed(
        "ruff", _tool(folder, "ruff", "check", "--ignore-noqa", "--output-format", "json", *options)
    )
    return [
        _finding(
            candidate,
            each["code"] or "syntax",
            each["message"],
            Path(each["filename"]).name,
            each["location"]["row"],
            each["end_location"]["row"],
        )
        for each in found
    ]


def _finding(candidate: Candidate, rule: str, message: str, path: str, line: int, end: int) -> Finding:
    in_test = path != f"{candidate.name}.py"
    quiet = rule in _ADVISORY or (rule in _IN_TESTS and in_test)
    if rule in _BY_NAME and not in_test:
        quiet = not any(find_secrets(candidate.module, line, max(line, end)))
    return Finding(rule, message, "note" if quiet else "error", path, line, end)


def _expected(finding: Finding) -> bool:
    """Tests assert: that is no remark."""
    return finding.rule in ("S101", "B101") and finding.path.startswith("test_")


def _secrets(_: Path, candidate: Candidate) -> list[Finding]:
    """Each file gets a made-up key as its last line: a file in which that is not found was not scanned."""
    planted = {}
    with tempfile.TemporaryDirectory(prefix="secrets-") as other:
        for path, text in candidate.files.items():
            canary = "AKIA" + "".join(
                secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16)
            )
            body = text if text.endswith("\n") else text + "\n"
            (Path(other) / path).write_text(f"{body}{canary}\n", encoding="utf-8", newline="")
            planted[path] = body.count("\n") + 1
        quiet = ("--disable-filter", "detect_secrets.filters.allowlist.is_line_allowlisted")
        report = _parsed(
            "detect-secrets", _tool(Path(other), "detect_secrets", "scan", "--all-files", "-n", *quiet, ".")
        )
    results = {Path(path).name: found for path, found in report["results"].items()}
    for path, line in planted.items():
        if not any(each["line_number"] == line for each in results.get(path, [])):
            raise ScannerFailed(f"detect-secrets did not look at {path}")
    return [
        _secret(candidate, path, each["type"], each["line_number"])
        for path, found in results.items()
        for each in found
        if each["line_number"] != planted[path]
    ]


def _secret(candidate: Candidate, path: str, kind: str, line: int) -> Finding:
    """High entropy alone is a remark (digests are honest), and so is a name like "token"; both together are a secret."""
    lines = candidate.files[path].splitlines()
    text = lines[line - 1] if line <= len(lines) else ""
    vague = "Entropy" in kind and not _SENSITIVE.search(text)
    in_module = path == f"{candidate.name}.py"
    named_only = kind == "Secret Keyword" and not (
        in_module and any(find_secrets(candidate.module, line, line))
    )
    return Finding(
        f"secret-{kind.lower().replace(' ', '-')}",
        f"possible {kind}",
        "warning" if vague or named_only else "error",
        path,
        line,
        line,
    )


def _allowlist(_: Path, candidate: Candidate) -> list[Finding]:
    own = {candidate.name, *list_importable_modules(candidate)}
    try:
        return [
            *find_refusals(f"{candidate.name}.py", candidate.module, own, test=False),
            *find_refusals(f"test_{candidate.name}.py", candidate.tests, own, test=True),
        ]
    except RecursionError:
        return [Finding("syntax", "nested too deeply to be read", path=f"{candidate.name}.py")]
