"""A statement in its envelope: in-toto Statement v1, signed as DSSE, in one canonical serialisation.

The envelope itself is canonical JSON in one line, so that not even a space of it can change unseen.
Sources: in-toto attestation framework v1 (statement), secure-systems-lab/dsse (protocol and envelope).
"""

from typing import Any

from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import STATEMENT_TYPE_URI, Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # its __init__ names no exports

from orchestrator.flows.evidence import canonical
from orchestrator.flows.evidence.keys import SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def sign(key: SigningKey, digests: dict[str, str], predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """A signed statement about files: path to SHA-256. Raises ``ValueError`` for a statement that is not one."""
    subjects = [{"name": path, "digest": {"sha256": sha256}} for path, sha256 in sorted(digests.items())]
    # The types of the framework judge the shape; the text is ours, because theirs turns whole numbers into fractions.
    Statement(
        [ResourceDescriptor(name=s["name"], digest=s["digest"]).pb for s in subjects],
        predicate_type,
        predicate,
    ).validate()
    statement = {
        "_type": STATEMENT_TYPE_URI,
        "subject": subjects,
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    envelope = Envelope(canonical.json_bytes(statement), PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key.private, SSlibKey.from_crypto(key.private.public_key(), keyid=key.key_id)))
    return canonical.json_bytes(envelope.to_dict()) + b"\n"
