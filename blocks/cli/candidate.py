"""A candidate that no flow sealed: the files of one round as the gates judged them, and what they found.

Nothing vouches for it: it has no evidence, and it never gets into the catalog.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from blocks.cli.client import Client
from blocks.cli.errors import Failure
from blocks.cli.findings_junit import build_junit
from blocks.cli.findings_sarif import build_sarif
from blocks.cli.plain_files import write_file
from blocks.format.limits import MIB
from blocks.format.paths import is_safe_path
from blocks.format.plain_files import read_plain_file
from blocks.format.selection import BLOCKS_FOLDER

FOLDER: Final = "candidates"
SARIF: Final = "findings.sarif"
JUNIT: Final = "findings.junit.xml"
ORIGIN: Final = "candidate.json"
CONTRACT: Final = "contract.json"
_STAGE: Final = "implement"


@dataclass(frozen=True, slots=True)
class FetchedCandidate:
    """The files of round ``number`` (1 is the first), path to text, and the gates that judged them."""

    flow: Mapping[str, Any] = field(repr=False)
    number: int
    rounds: tuple[int, ...]
    files: Mapping[str, str] = field(repr=False)
    gates: tuple[Mapping[str, Any], ...] = field(repr=False)

    @property
    def folder(self) -> str:
        """Where it goes, below the folder of blocks."""
        return f"{FOLDER}/{self.flow['id']}/round-{self.number}"

    @property
    def prefix(self) -> str:
        """Where its files are, below the root of the repo: findings name them so."""
        block = self.flow["block"]
        # Of a flow that has passed, the files are those of the catalog.
        place = f"catalog/{block['family']}/{block['name']}" if block else self.folder
        return f"{BLOCKS_FOLDER}/{place}/"


def fetch_candidate(client: Client, flow_id: str, number: int | None) -> FetchedCandidate:
    """The candidate of round ``number`` of a flow, of its newest round by default.

    Raises ``Failure`` where there is none.
    """
    flow = client.get(f"flows/{flow_id}/")
    by_round = _group_files(client.get(f"flows/{flow_id}/evidence/")["files"])
    if not by_round:
        raise Failure(
            f"{flow_id} has no candidate: nothing was implemented yet ({flow['status']}).",
            cure=f"See how far it is: `blocks flow show {flow_id}`.",
            code="flow:no-candidate",
        )
    # 0 is refused by the option, so None alone means the newest.
    chosen = max(by_round) if number is None else number
    if chosen not in by_round:
        listed = ", ".join(map(str, sorted(by_round)))
        raise Failure(
            f"{flow_id} has no round {chosen}.", cure=f"Its rounds are: {listed}.", code="flow:no-candidate"
        )
    gates = client.get(f"flows/{flow_id}/gates/")["gates"]
    return FetchedCandidate(
        flow, chosen, tuple(sorted(by_round)), by_round[chosen], tuple(select_gates(flow, gates, chosen))
    )


def _group_files(evidence: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """Round to path and text of what was implemented in it."""
    found: dict[int, dict[str, str]] = {}
    for path, content in evidence.items():
        head, _, name = path.partition("/")
        kind, _, number = head.rpartition("-")
        if kind != _STAGE or not number.isdigit() or not isinstance(content, str):
            continue
        # Only what a block consists of; a stage keeps notes of its own beside it. The service said the name,
        # and it becomes a path on this disk.
        if is_safe_path(name) and (name.endswith(".py") or name == CONTRACT):
            found.setdefault(int(number), {})[name] = content
    return found


def map_rounds(flow: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    """Stage kind and its round to the round of the implementation that it saw."""
    found, newest = {}, 1
    for stage in flow["stages"]:
        newest = stage["round"] if stage["kind"] == _STAGE else newest
        found[stage["kind"], stage["round"]] = newest
    return found


def find_round(seen: Mapping[tuple[str, int], int], gate: Mapping[str, Any]) -> int:
    """The round of the implementation that ``gate`` judged; ``seen`` is what ``map_rounds`` gave."""
    # A gate of round 2 of the review may have judged the code of round 3: repairs count their own rounds.
    stage = "review" if gate["gate"] == "review" else "verify"
    return seen.get((stage, gate["round"]), int(gate["round"]))


def select_gates(
    flow: Mapping[str, Any], gates: Iterable[Mapping[str, Any]], number: int
) -> list[Mapping[str, Any]]:
    """The gates that judged the implementation of round ``number``."""
    seen = map_rounds(flow)
    return [gate for gate in gates if find_round(seen, gate) == number]


def choose_newest(gates: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each gate of its newest round; the service lists rounds in their order."""
    # A later round of the same gate takes the place of an earlier one in the dictionary.
    newest = {gate["gate"]: gate for gate in gates}
    return list(newest.values())


def place_candidate(candidate: FetchedCandidate, blocks_folder: Path) -> Path:
    """Write a candidate and its findings below ``blocks_folder``; the folder. What was there before is
    replaced, file by file; files that a person added stay.
    """
    flow_id = str(candidate.flow["id"])
    folder = blocks_folder / candidate.folder
    prefix = f"{BLOCKS_FOLDER}/{candidate.folder}/"
    origin = {"flow": flow_id, "round": candidate.number, "gates": list(candidate.gates)}
    files = {
        **candidate.files,
        SARIF: json.dumps(build_sarif(candidate.gates, prefix, candidate.files), indent=2) + "\n",
        JUNIT: build_junit(candidate.gates, f"{flow_id} round {candidate.number}"),
        ORIGIN: json.dumps(origin, indent=2) + "\n",
    }
    try:
        # git must not offer them: nothing vouches for what is here.
        write_file(blocks_folder, blocks_folder / FOLDER / ".gitignore", b"*\n")
        for name, text in files.items():
            write_file(blocks_folder, folder / name, text.encode("utf-8", "replace"))
    except OSError as error:
        raise Failure(
            f"The candidate cannot be written: {error}",
            cure="Make the folder writable, or name another with --output.",
        ) from error
    return folder


def read_edited(folder: Path) -> tuple[str, dict[str, str]]:
    """The flow that a candidate on disk is of, and its files as they are now, path to text.

    Raises ``Failure`` for a folder that is not a candidate.
    """
    try:
        origin = json.loads(read_plain_file(folder / ORIGIN, MIB).decode("utf-8"))
        flow_id = str(origin["flow"])
        paths = [path for path in sorted(folder.glob("*.py")) if not path.is_symlink()]
        paths.append(folder / CONTRACT)
        files = {path.name: read_plain_file(path, MIB).decode("utf-8") for path in paths}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Failure(
            f"{folder} is not a candidate: {error}",
            cure="Fetch one with `blocks flow fetch TASK --candidate`, edit its files, and name its folder.",
            code="flow:no-candidate",
        ) from error
    return flow_id, files


def describe(candidate: FetchedCandidate, folder: Path) -> dict[str, Any]:
    """Where a candidate is, for machines."""
    return {
        "flow": candidate.flow["id"],
        "round": candidate.number,
        "rounds": candidate.rounds,
        "path": str(folder),
        "files": sorted(candidate.files),
        "sarif": str(folder / SARIF),
        "junit": str(folder / JUNIT),
        "gates": {gate["gate"]: gate["verdict"] for gate in candidate.gates},
    }
