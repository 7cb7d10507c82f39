"""Evidence checked offline: a block's bytes and a public key are all that is needed. Everything read here is hostile.

Every byte of a block is covered: files by the digests that signed statements name, statements by their signatures, their
envelopes by the one serialisation that is accepted, the set of files by the manifest. ``docs/reference/evidence.md`` has the format.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from blocks.cli.errors import Exit, Failure

FOLDER, SUFFIX, MANIFEST = "attestations/", ".dsse.json", "manifest.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
TYPES = {
    "test-result": "https://in-toto.io/attestation/test-result/v0.1",
    "provenance": "https://slsa.dev/provenance/v1",
    "verification-summary": "https://slsa.dev/verification_summary/v1",
    "log-entry": "urn:multi-llm-orchestrator:evidence-log:v1",
}
MAX_ENVELOPE_BYTES = 4 * 1024 * 1024
Keys = Mapping[str, Ed25519PublicKey]


class Wrong(Exception):
    """What is wrong with one file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, and what is wrong with it."""

    path: str
    what: str


@dataclass(slots=True)
class Report:
    """What was found; what no statement proves stays empty.

    ``block`` is family/name; ``gates`` is each gate's signed result, ``verdict`` the one over all; ``sealed_at`` is RFC 3339
    by the service's clock; ``digest`` is the SHA-256 of the manifest, which names every file, ``context`` that of the context
    bundle; ``origin`` is the address and commit of a repo that was cloned; ``sequence`` and the hashes are the log entry's.
    """

    problems: list[Problem] = field(default_factory=list)
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

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, and the block passed its gates."""
        return not self.problems and self.verdict == "PASSED"

    def add(self, path: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, what))


def load_key(path: Path) -> tuple[str, Ed25519PublicKey]:
    """The public key in a PEM file, with its id: SHA-256 of its SubjectPublicKeyInfo."""
    try:
        return read_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise Failure(
            f"{path} is no Ed25519 public key in PEM.",
            cure="Fetch it with `blocks verify key`, or name another file with --key.",
            code="evidence:bad-key",
            exit_code=Exit.USAGE,
        ) from error


def read_key(pem: bytes) -> tuple[str, Ed25519PublicKey]:
    """Id and key of a PEM text; raises ``ValueError`` for anything else."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - what a caller has to catch is the same
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest(), key


def verify(files: Mapping[str, bytes], keys: Keys) -> Report:
    """Check the files of a block (path inside its folder to bytes) against ``keys`` (key id to key)."""
    report = Report(files=len(files))
    statements = _statements(files, keys, report)
    sealed = _sealed(statements, report)
    _compare(files, sealed, report, covered=bool(statements))
    if len(report.key_ids) > 1:
        report.add(FOLDER, "holds statements signed with different keys")
    manifest = _manifest(files, sealed, report)
    if manifest is not None:
        _complete(files, manifest, report)
        _agree(statements, manifest, report)
    return report


def _statements(files: Mapping[str, bytes], keys: Keys, report: Report) -> dict[str, dict[str, Any]]:
    """Name to statement, of those whose envelope and signature hold."""
    found = {}
    for path in sorted(files):
        if not path.startswith(FOLDER):
            continue
        if not path.endswith(SUFFIX):
            report.add(path, "was added: it is no statement")
            continue
        name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
        try:
            key_id, payload = _open(files[path], keys)
            found[name] = _statement(name, payload)
            report.key_ids.add(key_id)
        except Wrong as wrong:
            report.add(path, str(wrong))
    return found


def _open(raw: bytes, keys: Keys) -> tuple[str, bytes]:
    """Key id and payload of an envelope; raises ``Wrong``."""
    envelope = _json(raw, "the envelope")
    signature = _only(_members(envelope, {"payload", "payloadType", "signatures"})["signatures"])
    _members(signature, {"keyid", "sig"})
    if canonical(envelope) + b"\n" != raw:
        raise Wrong("is not written in the one form that is signed: something between its fields was changed")
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise Wrong(f"its payload type is not {PAYLOAD_TYPE}")
    payload, signed = _unbase64(envelope["payload"]), _unbase64(signature["sig"])
    key = keys.get(signature["keyid"]) if isinstance(signature["keyid"], str) else None
    if key is None:
        raise Wrong(
            f"is signed with the key {str(signature['keyid'])[:16]!r}, which is not among those trusted"
        )
    try:
        key.verify(
            signed, b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
        )
    except InvalidSignature:
        raise Wrong("its signature does not hold: it was changed after it was signed") from None
    return signature["keyid"], payload


def _statement(name: str, payload: bytes) -> dict[str, Any]:
    statement = _members(_json(payload, "the statement"), {"_type", "subject", "predicateType", "predicate"})
    kind = "test-result" if name.startswith("test-result.") else name
    if statement["_type"] != STATEMENT or statement["predicateType"] != TYPES.get(kind):
        raise Wrong("holds another kind of statement than its name says")
    if not isinstance(statement["subject"], list) or not isinstance(statement["predicate"], dict):
        raise Wrong("is no statement about files")
    digests = {}
    for subject in statement["subject"]:
        digest = _members(_members(subject, {"name", "digest"})["digest"], {"sha256"})["sha256"]
        if not isinstance(subject["name"], str) or not isinstance(digest, str) or subject["name"] in digests:
            raise Wrong("is no statement about files")
        digests[subject["name"]] = digest
    return {"digests": digests, "predicate": statement["predicate"]}


def _sealed(statements: Mapping[str, dict[str, Any]], report: Report) -> dict[str, str]:
    """Path to SHA-256 as the statements that hold say; where they contradict each other nothing is believed."""
    sealed: dict[str, str] = {}
    whole = [name for name in sorted(statements) if name != "log-entry"]
    for name in whole:
        digests = statements[name]["digests"]
        if digests != statements[whole[0]]["digests"]:
            report.add(
                f"{FOLDER}{name}{SUFFIX}",
                f"is about other files than {whole[0]}: it comes from another block",
            )
        sealed = digests | sealed
    entry = statements.get("log-entry", {"digests": {}})["digests"]
    for path, sha256 in entry.items():
        if sealed.setdefault(path, sha256) != sha256:
            report.add(f"{FOLDER}log-entry{SUFFIX}", f"is about another {path}: it comes from another block")
    return sealed


def _compare(files: Mapping[str, bytes], sealed: Mapping[str, str], report: Report, *, covered: bool) -> None:
    if not covered:
        report.add(FOLDER, "holds no statement whose signature holds; nothing in this block is proved")
        return
    named = {problem.path for problem in report.problems}
    for path, sha256 in sorted(sealed.items()):
        if path not in files:
            report.add(path, "is missing")
        elif path not in named and hashlib.sha256(files[path]).hexdigest() != sha256:
            report.add(path, "was changed: its SHA-256 is not the one that was signed")
    for path in sorted(set(files) - set(sealed)):
        if not path.startswith(FOLDER):
            report.add(path, "was added: no statement names it")


def _manifest(files: Mapping[str, bytes], sealed: Mapping[str, str], report: Report) -> dict[str, Any] | None:
    """The manifest, if it is the signed one."""
    raw = files.get(MANIFEST)
    if raw is None or sealed.get(MANIFEST) != hashlib.sha256(raw).hexdigest():
        return None
    try:
        manifest = _json(raw, "the manifest")
        named = {path: entry["sha256"] for path, entry in manifest["files"].items()}
        report.block = f"{manifest['family']}/{manifest['name']}"
        report.repo, report.flow, report.digest = (
            str(manifest["repo"]),
            str(manifest["flow"]),
            sealed[MANIFEST],
        )
        report.sealed_at, report.context = str(manifest["sealed_at"]), str(manifest["context_sha256"])
        report.origin = str(manifest.get("snapshot", {}).get("origin", ""))  # older blocks have none
        gates = {str(gate["gate"]): str(gate["verdict"]) for gate in manifest["gates"]}
        verified = manifest["verified"] is True
    except (Wrong, KeyError, TypeError, AttributeError) as error:
        report.add(MANIFEST, f"cannot be read ({error})")
        return None
    others = {
        path: digest for path, digest in sealed.items() if path != MANIFEST and not path.startswith(FOLDER)
    }
    for path in sorted(set(named) ^ set(others)):
        report.add(path, "is in the manifest or in the statements, but not in both")
    for path in sorted(set(named) & set(others)):
        if named[path] != others[path]:
            report.add(path, "has another SHA-256 in the manifest than in the statements")
    return {**manifest, "gates": gates, "verified": verified}


def _complete(files: Mapping[str, bytes], manifest: Mapping[str, Any], report: Report) -> None:
    """A statement for each gate of the manifest, and the three that every block has; none besides."""
    names = [
        "provenance",
        "verification-summary",
        "log-entry",
        *(f"test-result.{gate}" for gate in manifest["gates"]),
    ]
    wanted = {f"{FOLDER}{name}{SUFFIX}" for name in names}
    named = {problem.path for problem in report.problems}
    for path in sorted((wanted ^ {path for path in files if path.startswith(FOLDER)}) - named):
        report.add(path, "is missing" if path in wanted else "was added: the manifest knows no such gate")


def _agree(statements: Mapping[str, dict[str, Any]], manifest: Mapping[str, Any], report: Report) -> None:
    """Verdicts and the log entry say what the manifest says."""
    for gate, verdict in sorted(manifest["gates"].items()):
        if (statement := statements.get(f"test-result.{gate}")) is not None:
            result = report.gates[gate] = str(statement["predicate"].get("result"))
            if (result == "PASSED") != (verdict == "passed"):
                report.add(
                    f"{FOLDER}test-result.{gate}{SUFFIX}", f"says {result}, the manifest says {verdict}"
                )
    if (summary := statements.get("verification-summary")) is not None:
        try:
            _summary(summary["predicate"], statements, manifest, report)
        except (KeyError, TypeError, AttributeError):
            report.add(f"{FOLDER}verification-summary{SUFFIX}", "is no verification summary")
    if (entry := statements.get("log-entry")) is not None:
        _entry(entry, report)


def _summary(
    predicate: Mapping[str, Any],
    statements: Mapping[str, dict[str, Any]],
    manifest: Mapping[str, Any],
    report: Report,
) -> None:
    path, verdict = f"{FOLDER}verification-summary{SUFFIX}", str(predicate.get("verificationResult"))
    report.verdict = verdict
    if (verdict == "PASSED") != manifest["verified"] or (
        manifest["verified"] and set(report.gates.values()) - {"PASSED"}
    ):
        report.add(path, f"says {verdict}, but a gate or the manifest does not")
    if (entry := statements.get("log-entry")) is not None:
        rests_on = {each["uri"]: each["digest"]["sha256"] for each in predicate["inputAttestations"]}
        if rests_on != {
            name: digest for name, digest in entry["digests"].items() if name not in (path, MANIFEST)
        }:
            report.add(path, "rests on other statements than the log knows")


def _entry(statement: Mapping[str, Any], report: Report) -> None:
    path, entry = f"{FOLDER}log-entry{SUFFIX}", dict(statement["predicate"])
    claimed = entry.pop("hash", None)
    if claimed != hashlib.sha256(canonical(entry)).hexdigest():
        report.add(path, "its hash is not that of its content")
    if entry.get("content_sha256") != hashlib.sha256(canonical(statement["digests"])).hexdigest():
        report.add(path, "is the entry of other statements")
    if (entry.get("flow"), entry.get("repo")) != (report.flow, report.repo):
        report.add(path, "is the entry of another flow")
    if entry.get("manifest_sha256") != statement["digests"].get(MANIFEST):
        report.add(path, "is the entry of another manifest")
    sequence = entry.get("sequence")
    report.sequence = sequence if isinstance(sequence, int) else 0
    report.entry_hash, report.previous_hash = str(claimed), str(entry.get("previous_hash"))
    if report.sequence < 1:
        report.add(path, "has no place in the log")


def canonical(value: Any) -> bytes:
    """The one serialisation: keys sorted, no spaces, UTF-8."""
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (ValueError, RecursionError, UnicodeEncodeError) as error:
        raise Wrong("cannot be written as JSON") from error


def _json(raw: bytes, what: str) -> Any:
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise Wrong(f"{what} is over {MAX_ENVELOPE_BYTES // 1024 // 1024} MB")
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{what} is not JSON") from error


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once: two readers could otherwise see two contents."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Wrong(f"holds the field {key[:40]!r} twice")
        found[key] = value
    return found


def _refuse(constant: str) -> Any:
    raise Wrong(f"holds {constant}, which is no JSON")


def _members(value: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise Wrong(f"has other fields than {', '.join(sorted(names))}")
    return value


def _only(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        raise Wrong("has not exactly one signature")
    return value[0]


def _unbase64(text: Any) -> bytes:
    """Bytes of base64 in its one right form: bits that mean nothing are zero, nothing is left out or put between."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise Wrong("holds text that is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise Wrong("holds base64 with bits that mean nothing")
    return raw
