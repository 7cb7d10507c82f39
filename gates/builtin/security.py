"""The security gate: four readers of the text.

None obeys a comment that silences it, and none runs the code.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from gates.allowlist import find_addressed_findings, find_capability_uses, find_private_names, find_refusals
from gates.base import CONTRACT_PATH, Candidate, Finding, GateReport, Policy, Verdict
from gates.candidate import (
    find_problems,
    list_declared_capabilities,
    list_granted_capabilities,
    read_capabilities,
)
from gates.credentials import find_secrets
from gates.evidence import format_sarif
from gates.reading_places import find_reading_places
from gates.repo_files import list_importable_modules
from gates.scanners import (
    ScannerFinding,
    describe_scanners,
    scan_for_secrets,
    scan_with_bandit,
    scan_with_ruff,
)

_CURE = "Remove what was found; comments that silence a scanner are ignored."
# Notes, never errors: assertions, randomness and weak digests (a checksum is one), swallowed errors in small
# code.
_ADVISORY_RULES = {
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
# expat bounds what entities may grow to since 2.4.1, and ElementTree fetches none.
_PARSER_RULES = {"S314", "B314", "S405", "B405"}
# What a capability allows; a shell stays an error.
_RULES_BY_CAPABILITY = {
    "network": {"S310", "B310"},
    "subprocess": {"S404", "B404", "S603", "B603", "S607", "B607"},
}
# Reported for the name of a variable alone: an error only where its value looks like a secret.
_NAME_RULES = {"S105", "S106", "S107", "B105", "B106", "B107"}
_ADVISORY_RULES_IN_TESTS = {"S101", "S105", "S106", "S107", "S108", "B101", "B105", "B106", "B107", "B108"}
_ASSERT_RULES = ("S101", "B101")
_SENSITIVE_WORD = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)


class SecurityGate:
    """bandit, ruff's S rules, detect-secrets, and the allowlist of imports and builtins."""

    name = "security"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        # A file that does not parse cannot be scanned either.
        if problems := find_problems(candidate):
            return self._report(candidate, problems)
        capabilities = list_granted_capabilities(candidate, policy)
        unplanned = _find_unplanned(candidate)
        findings = [finding for finding in _scan(candidate, capabilities) if not _is_expected(finding)]
        # No fault of the block; shown with the rest, so that a reader of the evidence looks there.
        places = find_reading_places(candidate)
        return self._report(candidate, (*unplanned, *findings, *places))

    def _report(self, candidate: Candidate, findings: tuple[Finding, ...]) -> GateReport:
        errors = [finding for finding in findings if finding.severity == "error"]
        warnings = sum(finding.severity == "warning" for finding in findings)
        listed = [f"- {error.path}:{error.line} {error.rule}: {error.message}" for error in errors[:20]]
        # Everything that does not block is shown all the same.
        remarks = len(findings) - len(errors)
        tools = describe_scanners()
        counted = f"{len(errors)} findings that block, {remarks} remarks in {len(candidate.files)} files"
        declared = read_capabilities(candidate)
        return GateReport(
            gate=self.name,
            verdict=Verdict.FAILED if errors else Verdict.PASSED,
            summary=f"{counted}{_describe_capabilities(declared)}",
            score=Decimal(max(0, 100 - 25 * len(errors) - warnings)),
            findings=findings,
            evidence={"security.sarif": format_sarif(tools, "", findings, candidate.files)},
            details={"files": len(candidate.files), "tools": tools, "capabilities": declared},
            feedback="\n".join(listed),
            cure=_CURE if errors else "",
        )


def _describe_capabilities(declared: Mapping[str, str]) -> str:
    """For the page of the block, its evidence and the reviewer, who all show the summary."""
    if not declared:
        return ""
    listed = "; ".join(f"{name} ({reason})" for name, reason in sorted(declared.items()))
    return f"; may use {listed}"[:600]


def _find_unplanned(candidate: Candidate) -> list[Finding]:
    """A capability that the implementer gave the block, and the plan did not."""
    if candidate.planned_capabilities is None:
        return []
    unplanned = list_declared_capabilities(candidate) - candidate.planned_capabilities
    message = "the contract declares {}, which the plan does not ask for; do without it"
    return [
        Finding("allowlist-unplanned-capability", message.format(name), path=CONTRACT_PATH)
        for name in sorted(unplanned)
    ]


def _find_unused(candidate: Candidate, own: Iterable[str]) -> list[Finding]:
    """A capability that nothing needs is one too many."""
    uses = [use for source in candidate.modules.values() for use in find_capability_uses(source, own)]
    unused = list_declared_capabilities(candidate).difference(name for name, _ in uses)
    return [
        Finding(
            "allowlist-unused-capability",
            f"the module declares {name} and does not use it",
            "warning",
            CONTRACT_PATH,
        )
        for name in sorted(unused)
    ]


def _scan(candidate: Candidate, capabilities: frozenset[str]) -> list[Finding]:
    """The findings of all four readers, which work side by side."""
    with tempfile.TemporaryDirectory(prefix="scan-") as name, ThreadPoolExecutor(4) as threads:
        folder = Path(name)
        for path, text in candidate.files.items():
            (folder / path).write_text(text, encoding="utf-8", newline="")
        bandit = threads.submit(scan_with_bandit, folder, candidate.files)
        ruff = threads.submit(scan_with_ruff, folder, candidate.files)
        found_secrets = threads.submit(scan_for_secrets, candidate.files)
        refusals = threads.submit(check_allowlist, candidate, capabilities)
        return [
            *_judge_code(candidate, bandit.result(), capabilities),
            *_judge_code(candidate, ruff.result(), capabilities),
            *_judge_secrets(candidate, found_secrets.result()),
            *refusals.result(),
        ]


def _judge_code(
    candidate: Candidate, reported: Iterable[ScannerFinding], capabilities: frozenset[str]
) -> list[Finding]:
    """Findings of bandit or ruff with a severity: a note for what honest code does too, else an error."""
    found = []
    for report in reported:
        allowed = _PARSER_RULES.union(*(_RULES_BY_CAPABILITY.get(name, ()) for name in capabilities))
        severity = "note" if report.rule in allowed or _is_advisory(candidate, report) else "error"
        found.append(
            Finding(report.rule, report.message, severity, report.path, report.line, report.end_line)
        )
    return found


def _is_advisory(candidate: Candidate, report: ScannerFinding) -> bool:
    source = candidate.modules.get(report.path)
    if source is not None and report.rule in _NAME_RULES:
        last = max(report.line, report.end_line)
        return not any(find_secrets(source, report.line, last))
    in_test = source is None
    return report.rule in _ADVISORY_RULES or (in_test and report.rule in _ADVISORY_RULES_IN_TESTS)


def _is_expected(finding: Finding) -> bool:
    """Tests assert: that is not even worth a remark."""
    return finding.rule in _ASSERT_RULES and finding.path.startswith("test_")


def _judge_secrets(candidate: Candidate, reported: Iterable[ScannerFinding]) -> list[Finding]:
    found = []
    for report in reported:
        kind = report.rule
        severity = "warning" if _is_vague_secret(candidate, report) else "error"
        rule = f"secret-{kind.lower().replace(' ', '-')}"
        found.append(Finding(rule, f"possible {kind}", severity, report.path, report.line, report.line))
    return found


def _is_vague_secret(candidate: Candidate, report: ScannerFinding) -> bool:
    """Whether a report alone is too little to refuse a block.

    High entropy alone is not enough (digests are honest), nor is a name like "token"; both together are a
    secret.
    """
    kind = report.rule
    if kind == "Secret Keyword":
        source = candidate.modules.get(report.path)
        return source is None or not any(find_secrets(source, report.line, report.line))
    lines = candidate.files[report.path].splitlines()
    line = lines[report.line - 1] if report.line <= len(lines) else ""
    return "Entropy" in kind and not _SENSITIVE_WORD.search(line)


def check_allowlist(candidate: Candidate, capabilities: frozenset[str]) -> list[Finding]:
    """What modules and tests do and may not do, with ``capabilities`` declared and allowed."""
    own = {candidate.name, *candidate.private_modules, *list_importable_modules(candidate)}
    try:
        private = frozenset[str]().union(*map(find_private_names, candidate.modules.values()))
        found: list[Finding] = []
        for path, source in candidate.modules.items():
            others = {name: text for name, text in candidate.private_modules.items() if path != f"{name}.py"}
            found += find_refusals(path, source, own, False, capabilities, private, others)
        found += find_refusals(candidate.tests_path, candidate.tests, own, True, capabilities, private)
        found += find_addressed_findings(CONTRACT_PATH, candidate.contract)
        return [*found, *_find_unused(candidate, own)]
    except RecursionError:
        return [Finding("syntax", "nested too deeply to be read", path=candidate.module_path)]


gate = SecurityGate()
