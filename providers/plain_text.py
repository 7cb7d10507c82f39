"""Text from outside, made fit for PostgreSQL, logs and pages."""

import re
from typing import Final

# Control characters but tab, line feed and carriage return; PostgreSQL refuses NUL, terminals obey the rest.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean_text(text: str) -> str:
    """Return ``text`` without control characters and lone surrogates; each becomes U+FFFD."""
    # Encoding to UTF-16 joins the halves of a pair; decoding replaces a half that stands alone.
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROL.sub("\ufffd", joined)
