"""The result of checking a block's evidence, for people and for machines."""

from typing import Any

from blocks.cli import output
from blocks.cli.terminal_text import make_printable
from blocks.format.verification import VerificationReport

_UNPROVED = "not proved"


def build_document(found: VerificationReport, trusted_from: str) -> dict[str, Any]:
    """The report as JSON. Fields that no statement proves are empty, ``log_sequence`` is then 0."""
    return {
        "ok": found.ok,
        "block": found.block,
        "repo": found.repo,
        "flow": found.flow,
        "sealed_at": found.sealed_at,
        "manifest_sha256": found.digest,
        "context_sha256": found.context,
        "origin": found.origin,
        "log_sequence": found.sequence,
        "log_hash": found.entry_hash,
        "log_previous_hash": found.previous_hash,
        "key_ids": sorted(found.key_ids),
        "keys_from": trusted_from,
        "gates": found.gates,
        "verdict": found.verdict,
        "edited_by": found.edited_by,
        "files": found.files,
        "notes": found.notes,
        "problems": [{"path": problem.path, "problem": problem.what} for problem in found.problems],
    }


def print_report(found: VerificationReport, trusted_from: str, *, expected: bool) -> None:
    """The report in lines: what is wrong, the gates, what the block is, and the verdict last."""
    for problem in found.problems:
        _print(f"WRONG  {problem.path}: {problem.what}")
    for gate, result in sorted(found.gates.items()):
        _print(f"{result:6}  {gate}")
    for name, value in _describe_block(found, trusted_from):
        _print(f"{name:9} {value or _UNPROVED}")
    for note in found.notes:
        _print(f"NOTE   {note}")
    if found.problems:
        count = len(found.problems)
        findings = "1 finding" if count == 1 else f"{count} findings"
        _print(f"NOT TO BE TRUSTED: {findings}.")
    # Genuine and good are two questions: an advisory block may be unchanged and still have failed gates.
    elif not found.ok:
        _print(f"UNCHANGED, but its verdict is {found.verdict}: this block has not passed its gates.")
    else:
        _print(f"HOLDS: {found.files} files, entry {found.sequence} of the log, key {min(found.key_ids)}")
        if not expected:
            _print(
                "An older block would hold too. Say which one you expect: "
                "--flow, --digest, --not-before-entry, --not-before."
            )


def _describe_block(found: VerificationReport, trusted_from: str) -> list[tuple[str, str]]:
    """What this block is, so that nobody has to guess which one was checked."""
    entry = f"entry {found.sequence}, hash {found.entry_hash}, after {found.previous_hash}"
    lines = [
        ("Block", found.block),
        ("Repo", found.repo),
        ("Flow", found.flow),
        ("Sealed", f"{found.sealed_at}, by the service's clock" if found.sealed_at else ""),
        ("Manifest", f"SHA-256 {found.digest}" if found.digest else ""),
        ("Context", _describe_context(found)),
    ]
    # Only a repo that was cloned has a commit that the service can vouch for.
    if found.origin:
        lines.append(("From", found.origin))
    if found.edited_by:
        lines.append(("Edited", f"by a person: {found.edited_by}"))
    key_ids = ", ".join(sorted(found.key_ids))
    return [
        *lines,
        ("Log", entry if found.sequence else ""),
        ("Verdict", found.verdict),
        ("Keys", f"{key_ids}, trusted from {trusted_from}" if key_ids else ""),
    ]


def _describe_context(found: VerificationReport) -> str:
    if found.context:
        return f"SHA-256 {found.context}"
    # With a proved manifest, an empty digest is a statement too.
    return "none was recorded" if found.digest else ""


def _print(text: str) -> None:
    # Names and findings come from inside the block, which may be hostile to a terminal.
    output.print_line(make_printable(text))
