"""A signed payload: DSSE with one Ed25519 signature, in one serialisation.

DSSE itself allows any spacing and order of fields. Here an envelope is canonical JSON in one line, and
anything else is refused even where its signature holds, so that not a single byte of it can change
unseen. Source: secure-systems-lab/dsse, protocol and envelope.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from blocks.format.canonical import dump_json, load_json
from blocks.format.errors import FormatError
from blocks.format.keys import Keys

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_ENVELOPE_FIELDS = frozenset({"payload", "payloadType", "signatures"})
_SIGNATURE_FIELDS = frozenset({"keyid", "sig"})


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """What was signed, and the id of the key that signed it."""

    key_id: str
    payload: bytes = field(repr=False)


def seal_envelope(payload: bytes, key_id: str, key: Ed25519PrivateKey) -> bytes:
    """An envelope with ``payload``, signed. Ed25519 is deterministic: the same payload gives the same
    bytes.
    """
    signature = {"keyid": key_id, "sig": _encode_base64(key.sign(_encode_for_signing(payload)))}
    envelope = {
        "payload": _encode_base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [signature],
    }
    return dump_json(envelope) + b"\n"


def open_envelope(raw: bytes, keys: Keys) -> SignedPayload:
    """The payload of an envelope that one of ``keys`` signed; raises ``FormatError`` with what is wrong."""
    envelope = check_fields(load_json(raw, "the envelope"), _ENVELOPE_FIELDS)
    signature = check_fields(_only_signature(envelope["signatures"]), _SIGNATURE_FIELDS)
    # Written again and compared, which covers spaces, order, escapes and doubled fields in one step.
    if dump_json(envelope) + b"\n" != raw:
        raise FormatError(
            "is not written in the one form that is signed: something between its fields was changed"
        )
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise FormatError(f"its payload type is not {PAYLOAD_TYPE}")
    payload, signed = _decode_base64(envelope["payload"]), _decode_base64(signature["sig"])
    # The id only chooses among trusted keys; the signature is what proves.
    key_id = signature["keyid"]
    key = keys.get(key_id) if isinstance(key_id, str) else None
    if key is None:
        raise FormatError(f"is signed with the key {str(key_id)[:16]!r}, which is not among those trusted")
    try:
        key.verify(signed, _encode_for_signing(payload))
    except InvalidSignature:
        raise FormatError("its signature does not hold: it was changed after it was signed") from None
    return SignedPayload(key_id, payload)


def check_fields(value: Any, names: frozenset[str]) -> dict[str, Any]:
    """``value``, if it is an object with exactly the fields ``names``; raises ``FormatError``."""
    if not isinstance(value, dict) or value.keys() != names:
        raise FormatError(f"has other fields than {', '.join(sorted(names))}")
    return value


def _encode_for_signing(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the type is signed too, and lengths keep the two apart."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _only_signature(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        raise FormatError("has not exactly one signature")
    return value[0]


def _encode_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode_base64(text: Any) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise FormatError("holds text that is not base64") from error
    # The last letter has bits that a decoder drops; with other values there the text would be another one
    # of the same bytes.
    if _encode_base64(raw) != text:
        raise FormatError("holds base64 with bits that mean nothing")
    return raw
