"""The block of a flow: fetched, its evidence checked with the keys that this repo trusts, and only then put in place."""

from dataclasses import dataclass
from pathlib import Path

from blocks.cli import attestation, output, pins, unpack
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure


@dataclass(frozen=True, slots=True)
class Fetched:
    """A block in place. ``proof`` says in one line what its evidence came to; ``new_keys`` were trusted just now."""

    placed: unpack.Placed
    proof: str
    new_keys: list[str]


def block(client: Client, flow_id: str, blocks: Path) -> Fetched:
    """Fetch the block of ``flow_id`` into ``blocks``; a block whose evidence does not hold is written nowhere."""
    packed = client.download(f"flows/{flow_id}/block/")
    keys, new = pins.trust(client, blocks)
    report = attestation.verify(unpack.read(packed), keys)
    if report.flow != flow_id and not report.problems:
        report.add("manifest.json", f"is that of another flow, {report.flow}")
    if report.problems:
        first = report.problems[0]
        raise Failure(
            f"The evidence of this block does not hold: {output.printable(first.path)} {output.printable(first.what)}"
            f"{f', and {len(report.problems) - 1} more' if len(report.problems) > 1 else ''}. Nothing was written.",
            cure="Fetch it again; if it stays, tell the operators: somebody may have changed it on its way.",
            code="block:untrusted",
            exit_code=Exit.FAILED,
        )
    verdict = "verified" if report.ok else "NOT verified, its gates were not strict"
    proof = f"holds: {verdict}; entry {report.sequence} of the log, key {min(report.key_ids)[:16]}"
    return Fetched(unpack.place(packed, blocks), proof, new)
