"""The manifest of a block: SHA-256 and size of every file, and the facts that led to it, as JSON with
sorted keys.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from blocks.format.canonical import load_json, sha256
from blocks.format.errors import FormatError

FORMAT = 1
MANIFEST = "manifest.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
# Lower case only: a digest has one spelling, so texts can be compared.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> "FileFact":
        """The fact about ``content``."""
        return cls(sha256(content), len(content))


@dataclass(frozen=True, slots=True)
class GateFact:
    """One gate's verdict. Percentages are text, so that no reader rounds them; ``evidence`` maps file
    name to SHA-256.
    """

    gate: str
    verdict: str
    summary: str
    round: int
    score: str | None = None
    threshold: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallFact:
    """One model call that led to the block. ``tokens`` by kind, as the provider counted them."""

    stage: str
    round: int
    provider: str
    model: str
    request_id: str
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says. ``sealed_at`` is RFC 3339, digests are SHA-256 in hexadecimal.

    ``context_sha256`` is the bundle that the models were shown. ``snapshot_sha256`` is the repo around
    the block, empty where there was none, ``origin`` the address and commit of a repo that was cloned.
    ``dependencies_sha256`` are the pins of the packages that the gates had, empty for none. Blocks that
    were sealed before these were recorded have ``None`` there.
    """

    flow: str
    repo: str
    family: str
    name: str
    summary: str
    verified: bool
    quality_score: str
    sealed_at: str
    files: Mapping[str, FileFact] = field(repr=False)
    gates: tuple[GateFact, ...]
    calls: tuple[CallFact, ...] = field(repr=False)
    prompts: Mapping[str, str] = field(repr=False)
    policy: Mapping[str, str]
    context_sha256: str
    snapshot_sha256: str | None
    origin: str
    dependencies_sha256: str | None
    feature_request_sha256: str

    @property
    def block(self) -> str:
        """``family/name``."""
        return f"{self.family}/{self.name}"


def write_manifest(manifest: Manifest) -> bytes:
    """The file ``manifest.json``: the same facts give the same bytes."""
    found = asdict(manifest)
    # The names on disk are those of the first version, which nested what came later.
    found["manifest"] = FORMAT
    found["snapshot"] = {"sha256": found.pop("snapshot_sha256"), "origin": found.pop("origin")}
    # Indented, because people read this file; sorted, because its bytes are signed.
    return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_manifest(raw: bytes) -> Manifest:
    """The manifest in ``raw``; raises ``FormatError`` for anything that ``write_manifest`` does not write."""
    found = _expect(load_json(raw, "the manifest"), dict, "the manifest")
    # Later additions may be missing: blocks sealed before them must still be read.
    snapshot = found.get("snapshot", {})
    family, name = _text(found, "family"), _text(found, "name")
    # Both become folders on the disk of the user who fetches the block.
    if not _NAME.fullmatch(family) or not _NAME.fullmatch(name):
        raise FormatError("the manifest names no family and block")
    return Manifest(
        flow=_text(found, "flow"),
        repo=_text(found, "repo"),
        family=family,
        name=name,
        summary=_text(found, "summary"),
        verified=_member(found, "verified", bool),
        quality_score=_text(found, "quality_score"),
        sealed_at=_text(found, "sealed_at"),
        files={path: _read_file(fact) for path, fact in _member(found, "files", dict).items()},
        gates=tuple(_read_gate(gate) for gate in _member(found, "gates", list)),
        calls=tuple(_read_call(call) for call in _member(found, "calls", list)),
        prompts=_texts(found, "prompts"),
        policy=_texts(found, "policy"),
        context_sha256=_text(found, "context_sha256"),
        snapshot_sha256=_text(snapshot, "sha256") if "snapshot" in found else None,
        origin=_text(snapshot, "origin") if "origin" in snapshot else "",
        dependencies_sha256=_text(found, "dependencies_sha256") if "dependencies_sha256" in found else None,
        feature_request_sha256=_text(found, "feature_request_sha256"),
    )


def _read_file(fact: Any) -> FileFact:
    digest = _text(fact, "sha256")
    if not _SHA256.fullmatch(digest):
        raise FormatError("the manifest has a SHA-256 that is not one")
    return FileFact(digest, _member(fact, "size", int))


def _read_gate(gate: Any) -> GateFact:
    return GateFact(
        gate=_text(gate, "gate"),
        verdict=_text(gate, "verdict"),
        summary=_text(gate, "summary"),
        round=_member(gate, "round", int),
        score=_optional_text(gate, "score"),
        threshold=_optional_text(gate, "threshold"),
        evidence=_texts(gate, "evidence"),
    )


def _read_call(call: Any) -> CallFact:
    tokens = _member(call, "tokens", dict)
    return CallFact(
        stage=_text(call, "stage"),
        round=_member(call, "round", int),
        provider=_text(call, "provider"),
        model=_text(call, "model"),
        request_id=_text(call, "request_id"),
        tokens={kind: _member(tokens, kind, int) for kind in tokens},
    )


def _texts(value: Any, key: str) -> dict[str, str]:
    """The object under ``key``, whose values are all texts."""
    found = _member(value, key, dict)
    return {name: _text(found, name) for name in found}


def _optional_text(value: Any, key: str) -> str | None:
    found = _expect(value, dict, "the manifest").get(key)
    return None if found is None else _expect(found, str, repr(key))


def _text(value: Any, key: str) -> str:
    return _member(value, key, str)


def _member(value: Any, key: str, kind: type[_Value]) -> _Value:
    """What an object has under ``key``; raises ``FormatError`` where there is nothing, or something of
    another type.
    """
    members = _expect(value, dict, "the manifest")
    if key not in members:
        raise FormatError(f"the manifest has no {key[:40]!r}")
    return _expect(members[key], kind, repr(key[:40]))


def _expect(value: Any, kind: type[_Value], what: str) -> _Value:
    # A bool is an int for Python, and neither is one for JSON.
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise FormatError(f"{what} is not of the type {kind.__name__}")
    return value
