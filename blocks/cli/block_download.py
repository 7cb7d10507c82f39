"""The block of a flow: fetched, its evidence checked with the keys that this repo trusts, and only then
put in place.
"""

from dataclasses import dataclass, field
from pathlib import Path

from blocks.cli import catalog, trusted_keys
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.terminal_text import make_printable
from blocks.format.manifest import MANIFEST
from blocks.format.verification import VerificationReport, verify_block


@dataclass(frozen=True, slots=True)
class DownloadedBlock:
    """A block in place. ``proof`` says in one line what its evidence shows; ``new_keys`` are trusted
    since this download.
    """

    placed: catalog.PlacedBlock
    proof: str
    new_keys: list[str]


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block whose evidence holds, not yet in place: as it was packed, and its files."""

    packed: bytes = field(repr=False)
    files: dict[str, bytes] = field(repr=False)
    proof: str
    new_keys: list[str]


def fetch_block(client: Client, flow_id: str, blocks_folder: Path) -> ProvenBlock:
    """The block of ``flow_id``, checked with the keys that ``blocks_folder`` trusts. Raises ``Failure`` where
    its evidence does not hold.
    """
    packed = client.download(f"flows/{flow_id}/block/")
    # First the keys: a service that signs with an unknown key is refused before its block is read.
    keys, new = trusted_keys.trust_offered(client, blocks_folder)
    files = catalog.unpack_block(packed)
    report = verify_block(files, keys)
    trusted_keys.compare_retirements(report, trusted_keys.load_retired(blocks_folder))
    # A genuine block of another flow would hold too.
    if report.flow != flow_id and not report.problems:
        report.add_problem(MANIFEST, f"is that of another flow, {report.flow}")
    if report.problems:
        raise _refuse(report)
    verdict = "verified" if report.ok else "NOT verified, its gates were not strict"
    proof = f"holds: {verdict}; entry {report.sequence} of the log, key {min(report.key_ids)[:16]}"
    return ProvenBlock(packed, files, proof, new)


def place_block(checked: ProvenBlock, blocks_folder: Path) -> DownloadedBlock:
    """Put a block whose evidence holds in place."""
    placed = catalog.place_block(checked.packed, blocks_folder)
    return DownloadedBlock(placed, checked.proof, checked.new_keys)


def download_block(client: Client, flow_id: str, blocks_folder: Path) -> DownloadedBlock:
    """Fetch the block of ``flow_id`` into ``blocks_folder``; a block whose evidence does not hold is not
    written anywhere.
    """
    return place_block(fetch_block(client, flow_id, blocks_folder), blocks_folder)


def _refuse(report: VerificationReport) -> Failure:
    # Each step of the check rests on the one before it: the first finding often causes the others.
    first = report.problems[0]
    finding = f"{make_printable(first.path)} {make_printable(first.what)}"
    if len(report.problems) > 1:
        finding += f", and {len(report.problems) - 1} more"
    return Failure(
        f"The evidence of this block does not hold: {finding}. Nothing was written.",
        cure="Fetch it again; if it stays, tell the operators: somebody may have changed it on its way.",
        code="block:untrusted",
        exit_code=Exit.FAILED,
    )
