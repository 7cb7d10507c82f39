"""Which paths may name a file of a repo or of a block."""

from blocks.format.limits import MAX_PATH_LENGTH

# Empty parts come from a slash at the start, at the end or doubled: absolute paths and two spellings of
# one path.
_UNSAFE_PARTS = frozenset({"", ".", ".."})


def is_safe_path(path: str) -> bool:
    """Whether ``path`` is relative, stays inside its folder, and has one spelling on every system."""
    if len(path) > MAX_PATH_LENGTH or "\0" in path:
        return False
    # A backslash is a letter here and a separator on Windows, where `a\..\..\b` would lead out.
    if "\\" in path or not _is_utf8(path):
        return False
    return _UNSAFE_PARTS.isdisjoint(path.split("/"))


def _is_utf8(text: str) -> bool:
    # git and tar give bytes that are not UTF-8 as lone surrogates, which neither JSON nor PostgreSQL can
    # hold.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
