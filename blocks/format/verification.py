"""Evidence checked offline: a block's bytes and a public key are all that is needed. Everything read here
may be hostile.

Every byte of a block is covered: files by the digests that signed statements name, statements by their
signatures, their envelopes by the one serialisation that is accepted, the set of files by the manifest.
``docs/reference/evidence.md`` has the format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks.format.canonical import dump_json, sha256
from blocks.format.envelope import open_envelope
from blocks.format.errors import FormatError
from blocks.format.keys import Keys
from blocks.format.manifest import MANIFEST, Manifest, read_manifest
from blocks.format.statements import (
    EDITED_BY,
    FOLDER,
    LOG_ENTRY,
    PROVENANCE,
    SUFFIX,
    VERIFICATION_SUMMARY,
    Statement,
    gate_statement,
    read_statement,
    statement_path,
)

Statements = Mapping[str, Statement]
_CONVERTED = (
    "had its line ends converted by a checkout. Run `blocks init`, which keeps git from it, then check the "
    "file out again"
)


@dataclass(frozen=True, slots=True)
class VerificationProblem:
    """A file of the block, and what is wrong with it: ``what`` continues a sentence that starts with the
    path.
    """

    path: str
    what: str


@dataclass(slots=True)
class VerificationReport:
    """What was found; what no statement proves stays empty.

    ``block`` is family/name; ``gates`` is each gate's signed result, ``verdict`` the one over all;
    ``sealed_at`` is RFC 3339 by the service's clock; ``digest`` is the SHA-256 of the manifest, which
    names every file, ``context`` that of the context bundle; ``origin`` is the address and commit of a
    repo that was cloned; ``sequence`` and the hashes are the log entry's; ``edited_by`` is
    the person who edited the files, empty where models wrote all of them. ``notes`` are sentences that a
    reader should know and that make nothing wrong.
    """

    problems: list[VerificationProblem] = field(default_factory=list)
    block: str = ""
    repo: str = ""
    flow: str = ""
    sealed_at: str = ""
    digest: str = ""
    context: str = ""
    origin: str = ""
    sequence: int = 0
    entry_hash: str = ""
    previous_hash: str = ""
    key_ids: set[str] = field(default_factory=set)
    gates: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    files: int = 0
    edited_by: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, and the block passed its gates."""
        return not self.problems and self.verdict == "PASSED"

    def add_problem(self, path: str, what: str) -> None:
        """Note what is wrong with the file at ``path``."""
        self.problems.append(VerificationProblem(path, what))

    def named_paths(self) -> set[str]:
        """The files that something is wrong with so far."""
        return {problem.path for problem in self.problems}


def verify_block(files: Mapping[str, bytes], keys: Keys) -> VerificationReport:
    """Check the files of a block (path inside its folder to bytes) against the keys that are trusted."""
    report = VerificationReport(files=len(files))
    # Each step believes only what the step before it has proved.
    statements = _open_statements(files, keys, report)
    digests = _merge_digests(statements, report)
    if statements:
        _compare_files(files, digests, report)
    else:
        report.add_problem(
            FOLDER, "holds no statement whose signature holds; nothing in this block is proved"
        )
    # One sealing uses one key. Two keys mean that statements of two sealings were mixed.
    if len(report.key_ids) > 1:
        report.add_problem(FOLDER, "holds statements signed with different keys")
    manifest = _read_signed_manifest(files, digests, report)
    if manifest is not None:
        _compare_manifest(manifest, digests, report)
        _check_statement_set(files, manifest, report)
        _check_gate_results(statements, manifest, report)
        _check_summary(statements, manifest, report)
        _check_log_entry(statements, report)
        _read_editor(statements, report)
    return report


def _open_statements(
    files: Mapping[str, bytes], keys: Keys, report: VerificationReport
) -> dict[str, Statement]:
    """Name to statement, of those whose envelope and signature hold."""
    found = {}
    for path in sorted(files):
        if not path.startswith(FOLDER):
            continue
        if not path.endswith(SUFFIX):
            report.add_problem(path, "was added: it is not a statement")
            continue
        name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
        try:
            signed = open_envelope(files[path], keys)
            found[name] = read_statement(name, signed.payload)
        except FormatError as error:
            report.add_problem(path, _describe_failure(files[path], keys, error))
        else:
            report.key_ids.add(signed.key_id)
    return found


def _describe_failure(content: bytes, keys: Keys, error: FormatError) -> str:
    restored = content.replace(b"\r\n", b"\n")
    if restored == content:
        return error.message
    try:
        open_envelope(restored, keys)
    except FormatError:
        return error.message
    return _CONVERTED


def _merge_digests(statements: Statements, report: VerificationReport) -> dict[str, str]:
    """Path to SHA-256 as the statements say. Where two contradict each other, the one that comes first is
    believed.
    """
    merged: dict[str, str] = {}
    # All but the log entry are about every file; the entry is about the manifest and the other statements.
    about_files = [name for name in sorted(statements) if name != LOG_ENTRY]
    for name in about_files:
        digests = statements[name].digests
        if digests != statements[about_files[0]].digests:
            what = f"is about other files than {about_files[0]}: it comes from another block"
            report.add_problem(statement_path(name), what)
        # Earlier statements win, so that one statement from elsewhere cannot shift the blame to every file.
        merged = {**digests, **merged}
    if LOG_ENTRY in statements:
        for path, digest in statements[LOG_ENTRY].digests.items():
            if merged.setdefault(path, digest) != digest:
                what = f"is about another {path}: it comes from another block"
                report.add_problem(statement_path(LOG_ENTRY), what)
    return merged


def _compare_files(
    files: Mapping[str, bytes], digests: Mapping[str, str], report: VerificationReport
) -> None:
    named = report.named_paths()
    for path, digest in sorted(digests.items()):
        if path not in files:
            report.add_problem(path, "is missing")
        # An envelope that is already known to be wrong is not named a second time for its digest.
        elif path not in named and sha256(files[path]) != digest:
            report.add_problem(path, _describe_change(files[path], digest))
    for path in sorted(set(files) - set(digests)):
        if not path.startswith(FOLDER):
            report.add_problem(path, "was added: no statement names it")


def _describe_change(content: bytes, digest: str) -> str:
    if sha256(content.replace(b"\r\n", b"\n")) == digest:
        return _CONVERTED
    return "was changed: its SHA-256 is not the one that was signed"


def _read_signed_manifest(
    files: Mapping[str, bytes], digests: Mapping[str, str], report: VerificationReport
) -> Manifest | None:
    """The manifest, if it is the signed one; what it says goes into ``report``."""
    raw = files.get(MANIFEST)
    if raw is None or digests.get(MANIFEST) != sha256(raw):
        return None
    try:
        manifest = read_manifest(raw)
    except FormatError as error:
        report.add_problem(MANIFEST, f"cannot be read ({error.message})")
        return None
    report.block, report.repo, report.flow = manifest.block, manifest.repo, manifest.flow
    report.digest, report.context = digests[MANIFEST], manifest.context_sha256
    report.sealed_at, report.origin = manifest.sealed_at, manifest.origin
    return manifest


def _compare_manifest(manifest: Manifest, digests: Mapping[str, str], report: VerificationReport) -> None:
    """The manifest and the statements name the same files with the same digests."""
    signed = {path for path in digests if path != MANIFEST and not path.startswith(FOLDER)}
    for path in sorted(signed ^ manifest.files.keys()):
        report.add_problem(path, "is in the manifest or in the statements, but not in both")
    for path in sorted(signed & manifest.files.keys()):
        if manifest.files[path].sha256 != digests[path]:
            report.add_problem(path, "has another SHA-256 in the manifest than in the statements")


def _check_statement_set(files: Mapping[str, bytes], manifest: Manifest, report: VerificationReport) -> None:
    """A statement for each gate of the manifest and the three that every block has; no others."""
    gates = [gate_statement(fact.gate) for fact in manifest.gates]
    wanted = {statement_path(name) for name in (PROVENANCE, VERIFICATION_SUMMARY, LOG_ENTRY, *gates)}
    present = {path for path in files if path.startswith(FOLDER)}
    for path in sorted((wanted ^ present) - report.named_paths()):
        what = "is missing" if path in wanted else "was added: the manifest has no such gate"
        report.add_problem(path, what)


def _check_gate_results(statements: Statements, manifest: Manifest, report: VerificationReport) -> None:
    """Each gate's statement says what the manifest says."""
    for fact in sorted(manifest.gates, key=lambda fact: fact.gate):
        name = gate_statement(fact.gate)
        if name not in statements:
            continue
        result = str(statements[name].predicate.get("result"))
        report.gates[fact.gate] = result
        # An errored gate has FAILED in the statement: no result is never a pass.
        if (result == "PASSED") != (fact.verdict == "passed"):
            report.add_problem(statement_path(name), f"says {result}, the manifest says {fact.verdict}")


def _read_editor(statements: Statements, report: VerificationReport) -> None:
    """Who edited the files, where a person did: the provenance says so."""
    if PROVENANCE not in statements:
        return
    try:
        build = statements[PROVENANCE].predicate["buildDefinition"]
        report.edited_by = str(build["internalParameters"].get(EDITED_BY, ""))
    except (KeyError, TypeError, AttributeError):
        report.add_problem(statement_path(PROVENANCE), "is not a provenance")


def _check_summary(statements: Statements, manifest: Manifest, report: VerificationReport) -> None:
    """The verdict over all gates is that of the manifest and of every gate, and rests on the statements
    that are here.
    """
    if VERIFICATION_SUMMARY not in statements:
        return
    path = statement_path(VERIFICATION_SUMMARY)
    predicate = statements[VERIFICATION_SUMMARY].predicate
    report.verdict = str(predicate.get("verificationResult"))
    all_passed = set(report.gates.values()) <= {"PASSED"}
    contradicted = manifest.verified and not all_passed
    if contradicted or (report.verdict == "PASSED") != manifest.verified:
        report.add_problem(path, f"says {report.verdict}, but a gate or the manifest does not")
    if LOG_ENTRY not in statements:
        return
    logged = dict(statements[LOG_ENTRY].digests)
    # The summary cannot name itself, and the manifest is not a statement.
    logged.pop(path, None)
    logged.pop(MANIFEST, None)
    inputs = _read_inputs(predicate)
    if inputs is None:
        report.add_problem(path, "is not a verification summary")
    elif inputs != logged:
        report.add_problem(path, "rests on other statements than those in the log")


def _read_inputs(predicate: Mapping[str, Any]) -> dict[str, str] | None:
    """Path to SHA-256 of the statements that a summary rests on; ``None`` where it does not say."""
    try:
        return {each["uri"]: each["digest"]["sha256"] for each in predicate["inputAttestations"]}
    except (KeyError, TypeError):
        return None


def _check_log_entry(statements: Statements, report: VerificationReport) -> None:
    """The entry of the log is about this manifest and these statements, and its hash is right."""
    if LOG_ENTRY not in statements:
        return
    path = statement_path(LOG_ENTRY)
    digests = dict(statements[LOG_ENTRY].digests)
    entry = dict(statements[LOG_ENTRY].predicate)
    # The hash is over the entry without itself.
    claimed = entry.pop("hash", None)
    if claimed != sha256(dump_json(entry)):
        report.add_problem(path, "its hash is not that of its content")
    if entry.get("content_sha256") != sha256(dump_json(digests)):
        report.add_problem(path, "is the entry of other statements")
    if (entry.get("flow"), entry.get("repo")) != (report.flow, report.repo):
        report.add_problem(path, "is the entry of another flow")
    if entry.get("manifest_sha256") != digests.get(MANIFEST):
        report.add_problem(path, "is the entry of another manifest")
    # Positions count from 1, so 0 is free to say that none is proved.
    sequence = entry.get("sequence")
    report.sequence = sequence if isinstance(sequence, int) else 0
    report.entry_hash, report.previous_hash = str(claimed), str(entry.get("previous_hash"))
    if report.sequence < 1:
        report.add_problem(path, "has no place in the log")
