"""What a block finds around it: the repo's own modules and the packages that the repo depends on.

Called in the child that runs the block, never in the zygote: nothing of the repo is imported where verdicts are made. At the
end of ``sys.path``, so that neither can stand in for the standard library, for pytest or for the block.
"""

import sys
from pathlib import Path

REPO, PACKAGES = "repo", "packages"
PLACES = (REPO, f"{REPO}/src", PACKAGES)


def extend_import_path(folder: Path) -> None:
    """Make importable what lies beside the block's ``folder``."""
    sys.path += [str(place) for name in PLACES if (place := folder.parent / name).is_dir()]
