"""Names of files that hold a secret themselves, such as a key that was saved under its own name."""

from collections.abc import Mapping

from orchestrator.core.redaction import redact_text


def leave_out_secret_names(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """``files`` without those whose path is a secret: a path is told to models and shown on pages."""
    # All at once: most repos have no such name, and many thousands of others.
    _, found = redact_text("\n".join(files))
    if not found:
        return dict(files)
    return {path: content for path, content in files.items() if not redact_text(path)[1]}
