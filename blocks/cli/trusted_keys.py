"""The keys that a repo trusts: ``.blocks/keys/<first half of the key id>.pem``, taken from the service
the first time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.plain_files import write_file
from blocks.format.errors import FormatError
from blocks.format.keys import Keys, read_public_key

FOLDER = "keys"


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A public key that the service names; ``current``: it signs with this one now."""

    key_id: str
    pem: bytes = field(repr=False)
    current: bool


def load_key(path: Path) -> tuple[str, Any]:
    """Id and key of a PEM file; raises ``Failure`` where there is none."""
    try:
        return read_public_key(path.read_bytes())
    except (OSError, FormatError) as error:
        raise Failure(
            f"{path} is not an Ed25519 public key in PEM.",
            cure="Fetch it with `blocks verify key`, or name another file with --key.",
            code="evidence:bad-key",
        ) from error


def load_pinned(blocks_folder: Path) -> Keys:
    """Key id to key of the files under ``keys/`` of ``blocks_folder``."""
    return dict(load_key(path) for path in sorted((blocks_folder / FOLDER).glob("*.pem")))


def trust_offered(client: Client, blocks_folder: Path, accept: str = "") -> tuple[Keys, list[str]]:
    """The pinned keys, and the ids of those that were pinned just now.

    The first time, what the service offers is pinned. A key that it signs with later and that is not
    pinned is refused until somebody accepts it by its id: a service that was taken over would come with a
    key of its own.
    """
    offered = _fetch_offered(client)
    pinned = load_pinned(blocks_folder)
    chosen = _choose_keys(offered, pinned, accept)
    for key_id, pem in chosen.items():
        # Half of the id is 128 bits: enough to be unique, and short enough for a file listing.
        file = blocks_folder / FOLDER / f"{key_id[:32]}.pem"
        write_file(blocks_folder, file, pem)
    # Retired keys are offered too, and need no trust: they sign nothing new.
    for key in offered:
        if key.current and key.key_id not in pinned and key.key_id not in chosen:
            raise _refuse_new_key(key.key_id)
    return load_pinned(blocks_folder), sorted(chosen.keys() - pinned.keys())


def _choose_keys(offered: list[OfferedKey], pinned: Keys, accept: str) -> dict[str, bytes]:
    """The keys to pin: the one that is accepted; else, the first time, all that are offered."""
    by_id = {key.key_id: key.pem for key in offered}
    if accept and accept not in by_id:
        known = ", ".join(by_id) or "none"
        raise Failure(
            f"The service offers no key {accept}.", cure=f"It offers: {known}.", code="evidence:unknown-key"
        )
    if accept:
        return {accept: by_id[accept]}
    # Trust on first use: with no key pinned, there is nothing that the offer could contradict.
    return {} if pinned else by_id


def _fetch_offered(client: Client) -> list[OfferedKey]:
    """Every key that the service names. Ids are computed here: one that the service says proves nothing."""
    found: list[Any] = client.get("evidence/keys/")["keys"]
    try:
        return [_read_offer(each) for each in found]
    except (FormatError, KeyError, TypeError) as error:
        raise Failure(
            "The service offers something that is not an Ed25519 key.",
            code="evidence:bad-key",
            exit_code=Exit.UNREACHABLE,
        ) from error


def _read_offer(offer: Mapping[str, Any]) -> OfferedKey:
    pem = str(offer["public_key"]).encode()
    key_id, _ = read_public_key(pem)
    return OfferedKey(key_id, pem, current=offer["current"] is True)


def _refuse_new_key(key_id: str) -> Failure:
    return Failure(
        f"The service signs evidence with a key that this repo does not trust: {key_id}.",
        cure="Ask the operators whether they changed it. If they name this very id: "
        f"`blocks verify key --accept {key_id}`. If not, trust no block from there.",
        code="evidence:key-changed",
        exit_code=Exit.FAILED,
    )
