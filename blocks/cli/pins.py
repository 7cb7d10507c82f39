"""The keys that a repo trusts: ``.blocks/keys/<first half of the key id>.pem``, taken from the service the first time."""

from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from blocks.cli import attestation
from blocks.cli.attestation import Keys
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure

FOLDER = "keys"


def pinned(blocks: Path) -> Keys:
    """Key id to key of what lies under ``blocks``/keys/."""
    return dict(attestation.load_key(path) for path in sorted((blocks / FOLDER).glob("*.pem")))


def trust(client: Client, blocks: Path, accept: str = "") -> tuple[Keys, list[str]]:
    """The pinned keys, and the ids of those that were pinned just now.

    The first time, what the service offers is pinned. A key that it signs with later and that is not pinned is refused until
    somebody has it accepted by its id: a service that was taken over would come with a key of its own.
    """
    found, known = _offered(client), pinned(blocks)
    offered = {key_id: pem for key_id, pem, _ in found}
    if accept and accept not in offered:
        raise Failure(
            f"The service offers no key {accept}.", cure=_listed(offered), code="evidence:unknown-key"
        )
    new = {accept: offered[accept]} if accept else ({} if known else offered)
    for key_id, pem in new.items():
        (blocks / FOLDER).mkdir(parents=True, exist_ok=True)
        (blocks / FOLDER / f"{key_id[:32]}.pem").write_bytes(pem)
    if strange := [key_id for key_id, _, current in found if current and key_id not in {*known, *new}]:
        raise Failure(
            f"The service signs evidence with a key that this repo does not trust: {strange[0]}.",
            cure="Ask the operators whether they changed it. If they name this very id: "
            f"`blocks verify key --accept {strange[0]}`. If not, trust no block from there.",
            code="evidence:key-changed",
            exit_code=Exit.FAILED,
        )
    return pinned(blocks), sorted(set(new) - set(known))


def _offered(client: Client) -> list[tuple[str, bytes, bool]]:
    """Id, PEM and whether it is in force, of every key that the service names; ids are computed here, not believed."""
    found: list[Any] = client.get("evidence/keys/")["keys"]
    try:
        keys = [(str(each["public_key"]).encode(), each["current"] is True) for each in found]
        return [(attestation.read_key(pem)[0], pem, current) for pem, current in keys]
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm) as error:
        raise Failure(
            "The service offers something that is no Ed25519 key.",
            code="evidence:bad-key",
            exit_code=Exit.UNREACHABLE,
        ) from error


def _listed(offered: dict[str, bytes]) -> str:
    return f"It offers: {', '.join(offered) or 'none'}."
