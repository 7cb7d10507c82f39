"""The keys that a repo trusts: ``.blocks/keys/<first half of the key id>.pem``, taken from the service
the first time, where a person agrees. A key that is retired has a ``.retired.json`` beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.credentials import is_this_machine
from blocks.cli.errors import Exit, Failure
from blocks.cli.expectations import parse_moment, read_moment
from blocks.cli.plain_files import write_file
from blocks.format.errors import FormatError
from blocks.format.keys import Keys, read_public_key
from blocks.format.limits import KIB
from blocks.format.plain_files import read_plain_file
from blocks.format.statements import FOLDER as STATEMENTS
from blocks.format.verification import VerificationReport

FOLDER = "keys"
# Half of the id is 128 bits: enough to be unique, and short enough for a file listing.
_NAME_LENGTH = 32
_MOST_KEY_BYTES = 16 * KIB


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A public key that the service names; ``current``: it signs with this one now."""

    key_id: str
    pem: bytes = field(repr=False)
    current: bool


@dataclass(frozen=True, slots=True)
class Retirement:
    """From ``since`` (RFC 3339) on, what the key ``key_id`` signs is not to be trusted, for ``reason``."""

    key_id: str
    since: str
    reason: str


def load_key(path: Path) -> tuple[str, Any]:
    """Id and key of a PEM file; raises ``Failure`` where there is none."""
    try:
        return read_public_key(read_plain_file(path, _MOST_KEY_BYTES))
    except (OSError, FormatError) as error:
        raise Failure(
            f"{path} is not an Ed25519 public key in PEM.",
            cure="Fetch it with `blocks verify key`, or name another file with --key.",
            code="evidence:bad-key",
        ) from error


def load_pinned(blocks_folder: Path) -> Keys:
    """Key id to key of the files under ``keys/`` of ``blocks_folder``."""
    return dict(load_key(path) for path in sorted((blocks_folder / FOLDER).glob("*.pem")))


def load_retired(blocks_folder: Path) -> dict[str, Retirement]:
    """Key id to what is said of the retired keys under ``keys/`` of ``blocks_folder``."""
    found = {}
    for path in sorted((blocks_folder / FOLDER).glob("*.retired.json")):
        try:
            said = json.loads(read_plain_file(path, _MOST_KEY_BYTES).decode("utf-8"))
            retired = Retirement(str(said["key_id"]), str(said["since"]), str(said["reason"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _refuse_retirement(path) from error
        # Read as nothing, it would make a bad key good again.
        if read_moment(retired.since) is None:
            raise _refuse_retirement(path)
        found[retired.key_id] = retired
    return found


def retire_key(blocks_folder: Path, key_id: str, since: str, reason: str) -> Retirement:
    """Trust what a pinned key signs only until ``since``: a date or RFC 3339, in UTC unless it says so."""
    if key_id not in load_pinned(blocks_folder):
        raise Failure(
            f"No key {key_id} is trusted here.",
            cure="`blocks verify key` lists those that are.",
            code="evidence:unknown-key",
        )
    if not reason.strip():
        raise Failure("A key is retired for a reason.", cure="Add --reason TEXT.", code="cli:bad-option")
    moment = parse_moment(since, "--since")
    if moment is None:
        raise Failure("A key is retired from a day on.", cure="Add --since DATE.", code="cli:bad-option")
    retired = Retirement(key_id, f"{moment:%FT%TZ}", reason.strip())
    said = {"key_id": retired.key_id, "since": retired.since, "reason": retired.reason}
    file = blocks_folder / FOLDER / f"{key_id[:_NAME_LENGTH]}.retired.json"
    write_file(blocks_folder, file, (json.dumps(said, indent=2) + "\n").encode())
    return retired


def compare_retirements(report: VerificationReport, retired: Mapping[str, Retirement]) -> None:
    """Add to ``report`` what the retired keys among its own mean."""
    for key_id in sorted(report.key_ids & retired.keys()):
        found = retired[key_id]
        said = f"the key {key_id[:16]}, which was retired on {found.since[:10]}: {found.reason}"
        sealed_at, since = read_moment(report.sealed_at), read_moment(found.since)
        if sealed_at is None or since is None or sealed_at >= since:
            report.add_problem(STATEMENTS, f"is signed with {said}")
        else:
            # A thief of the key can write any time. Only an entry of the log that somebody kept shows more.
            report.notes.append(f"It was sealed with {said}. Its time is what the holder of the key wrote.")


def trust_offered(client: Client, blocks_folder: Path, accept: str = "") -> tuple[Keys, list[str]]:
    """The pinned keys, and the ids of those that were pinned just now.

    The first time, what the service offers is pinned, where a person agrees. A key that it signs with later
    and that is not pinned is refused until somebody accepts it by its id: a service that was taken over would
    come with a key of its own.
    """
    offered = _fetch_offered(client)
    pinned, retired = load_pinned(blocks_folder), load_retired(blocks_folder)
    for key in offered:
        if key.current and key.key_id in retired:
            raise _refuse_retired_key(retired[key.key_id])
    if not pinned and not accept:
        _ask_for_trust(client.url, [key.key_id for key in offered])
    chosen = _choose_keys(offered, pinned, accept)
    for key_id, pem in chosen.items():
        file = blocks_folder / FOLDER / f"{key_id[:_NAME_LENGTH]}.pem"
        write_file(blocks_folder, file, pem)
    # Retired keys are offered too, and need no trust: they sign nothing new.
    for key in offered:
        if key.current and key.key_id not in pinned and key.key_id not in chosen:
            raise _refuse_new_key(key.key_id)
    return load_pinned(blocks_folder), sorted(chosen.keys() - pinned.keys())


def _ask_for_trust(url: str, key_ids: list[str]) -> None:
    """Let a person agree to keys that nobody here has seen before. Raises ``Failure`` where nobody can."""
    if is_this_machine(url) or not key_ids:
        return
    listed = ", ".join(key_ids)
    if output.can_ask():
        output.print_warning(f"This repo trusts no key yet. {url} signs evidence with: {listed}")
        if typer.confirm("Trust it from now on? Ask the operators for the id.", err=True):
            return
    raise Failure(
        f"This repo trusts no key yet, and nobody agreed to that of {url}: {listed}.",
        cure="Ask the operators for the id. If it is the same: `blocks verify key --accept <id>`, and commit "
        ".blocks/keys/. In CI, type the id that you were told.",
        code="evidence:no-key",
        exit_code=Exit.FAILED,
    )


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


def _refuse_retirement(path: Path) -> Failure:
    return Failure(
        f"{path} does not say since when and why a key is retired.",
        cure="Restore it from git, or retire the key again with `blocks verify key --retire`.",
        code="evidence:bad-key",
    )


def _refuse_retired_key(retired: Retirement) -> Failure:
    return Failure(
        f"The service signs evidence with the key {retired.key_id}, which this repo retired on "
        f"{retired.since[:10]}: {retired.reason}.",
        cure="Ask the operators for a service that signs with another key; trust no block from it.",
        code="evidence:key-retired",
        exit_code=Exit.FAILED,
    )


def _refuse_new_key(key_id: str) -> Failure:
    return Failure(
        f"The service signs evidence with a key that this repo does not trust: {key_id}.",
        cure="Ask the operators whether they changed it. If they name this very id: "
        f"`blocks verify key --accept {key_id}`. If not, trust no block from there.",
        code="evidence:key-changed",
        exit_code=Exit.FAILED,
    )
