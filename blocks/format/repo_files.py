"""The files that make a repo ready for blocks: what `blocks init` writes, and what onboarding proposes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import yaml

from blocks.format.selection import BLOCKS_FOLDER

KEPT_FOLDERS: Final = ("catalog", "schemas")
"""Folders below ``.blocks`` that are there from the start; git keeps no empty ones, so each has a file."""
KEEP_FILE: Final = ".gitkeep"
ATTRIBUTES_FILE: Final = f"{BLOCKS_FOLDER}/.gitattributes"
ATTRIBUTES: Final = (b"catalog/** -text", b"schemas/** -text")
"""Lines that keep git from converting the line ends of blocks, after which no digest would be right."""
_CONFIG: Final = """\
# What `blocks` knows about this repo. Commit this file; a token never belongs in it (set BLOCKS_TOKEN
# instead).
{values}# url: http://127.0.0.1:8000     # where the orchestrator runs; BLOCKS_API_URL wins over it
# block_family: compliance       # the family of blocks that name none
"""


def build_config(repo: str, url: str, facts: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """``.blocks/config.yml`` of the repo called ``repo``, whose service is at ``url`` (empty: not known)."""
    values = {"repo": repo, **({"url": url} if url else {}), **facts}
    # By a YAML library, because a name such as `on` or `1.0` needs quotes.
    text = _CONFIG.format(values=yaml.safe_dump(values, sort_keys=False, width=1000))
    return text.encode()
