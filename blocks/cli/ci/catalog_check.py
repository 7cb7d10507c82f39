"""The evidence of every block of a checkout, by keys that the change under test cannot have brought along."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from blocks.cli import expectations, sealed_block, trusted_keys
from blocks.cli.ci.work_branch import Repository
from blocks.cli.errors import Failure
from blocks.format.config_file import read_config
from blocks.format.keys import Keys
from blocks.format.limits import KIB
from blocks.format.plain_files import read_plain_file
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from blocks.format.verification import verify_block

_KEYS = f"{BLOCKS_FOLDER}/{trusted_keys.FOLDER}"
_MOST_KEY_BYTES = 64 * KIB
_KEYS_ALTERED = (
    "This change alters `.blocks/keys/`. What it has there counts only after it is merged: compare the ids "
    "with those that the operators name."
)
_FIRST_KEYS = (
    "This change brings the first keys of the repo. Before you merge it, compare their ids with those that "
    "the operators name."
)


@dataclass(frozen=True, slots=True)
class CheckedBlock:
    """A block of the catalog, by family and name; ``finding`` is what is wrong, or what holds."""

    name: str
    ok: bool
    finding: str


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """Every block; ``notes`` are for a person to look at, ``keys_from`` says whose keys were used."""

    checked: list[CheckedBlock]
    notes: list[str]
    keys_from: str

    @property
    def ok(self) -> bool:
        """Whether every block holds."""
        return all(one.ok for one in self.checked)


def check_catalog(repository: Repository, repo: str, *, base: str) -> CatalogReport:
    """Check every block below ``.blocks/catalog`` as one of ``repo``.

    ``base`` is the commit that a pull or merge request would be merged into; empty where the branch itself
    is under test. Its keys and its name of the repo count: a forger could bring others along with a block.
    """
    blocks_folder = repository.root / BLOCKS_FOLDER
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        keys_folder, keys_from = blocks_folder, "this branch"
        if base:
            repo = _read_repo(repository, base) or repo
            known = repository.read_folder(base, _KEYS)
            own = _read_own_keys(repository.root)
            if known:
                keys_folder, keys_from = Path(scratch), "the target branch"
                for path, content in known.items():
                    place = keys_folder / trusted_keys.FOLDER / Path(path).name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
                if known != own:
                    notes.append(_KEYS_ALTERED)
            elif own:
                notes.append(_FIRST_KEYS)
        keys = trusted_keys.load_pinned(keys_folder)
        retired = trusted_keys.load_retired(blocks_folder) | trusted_keys.load_retired(keys_folder)
    checked = [_check_block(folder, repo, keys, retired) for folder in _list_blocks(blocks_folder)]
    return CatalogReport(checked, notes, keys_from)


def _read_repo(repository: Repository, commit: str) -> str:
    """The name of the repo in the configuration of a commit; empty where it has none."""
    found = repository.read_folder(commit, CONFIG).get(CONFIG)
    return "" if found is None else str(read_config(found).get("repo") or "")


def _read_own_keys(root: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted((root / _KEYS).glob("*")):
        try:
            found[f"{_KEYS}/{path.name}"] = read_plain_file(path, _MOST_KEY_BYTES)
        except OSError:
            # A link, or more than a key: different from what any commit has there.
            found[f"{_KEYS}/{path.name}"] = b""
    return found


def _list_blocks(blocks_folder: Path) -> list[Path]:
    catalog = blocks_folder / "catalog"
    # A folder without a manifest is listed too: everything there claims to be a block.
    return sorted(path for path in catalog.glob("*/*") if path.is_dir() or path.is_symlink())


def _check_block(
    folder: Path, repo: str, keys: Keys, retired: dict[str, trusted_keys.Retirement]
) -> CheckedBlock:
    name = f"{folder.parent.name}/{folder.name}"
    try:
        if folder.is_symlink():
            return CheckedBlock(name, ok=False, finding="is a link")
        sealed = sealed_block.read_block(folder)
    except Failure as refused:
        return CheckedBlock(name, ok=False, finding=refused.message)
    report = verify_block(sealed.files, keys)
    trusted_keys.compare_retirements(report, retired)
    # A genuine block under another name, or of another repo, would hold too.
    expected = expectations.Expectations(repo=repo, block=name)
    expectations.compare_report(report, expected)
    if report.problems:
        first = report.problems[0]
        more = f", and {len(report.problems) - 1} more" if len(report.problems) > 1 else ""
        return CheckedBlock(name, ok=False, finding=f"{first.path} {first.what}{more}")
    if not report.ok:
        return CheckedBlock(name, ok=False, finding="its gates were not strict, or did not pass")
    return CheckedBlock(
        name,
        ok=True,
        finding=f"flow {report.flow}, sealed {report.sealed_at}, entry {report.sequence} of the log",
    )
