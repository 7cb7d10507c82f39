"""Orders tags as versions."""

import re

TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def latest(tags: list[str]) -> str:
    """The highest version among ``tags``, without its v. Raises ``ValueError`` if there is none."""
    versions = [tuple(int(part) for part in match.groups()) for match in map(TAG.fullmatch, tags) if match]
    if not versions:
        raise ValueError("no tag is a version")
    return ".".join(str(part) for part in max(versions))
