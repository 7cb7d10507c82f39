"""What a block may import from around it: modules of the repo, and the packages that it depends on."""

import sys
from pathlib import Path

REPO, PACKAGES = "repo", "packages"
_FOLDERS = (REPO, f"{REPO}/src", PACKAGES)


def extend_import_path(folder: Path, *, packages_only: bool = False) -> None:
    """Make importable what is beside the block's ``folder``.

    Modules of the repo are imported in the child that runs the block, never in the zygote.
    """
    for name in (PACKAGES,) if packages_only else _FOLDERS:
        place = folder.parent / name
        if place.is_dir():
            # At the end, so that nothing here replaces the standard library, pytest or the block.
            sys.path.append(str(place))
