"""Whether this command line and the service go together: the service names a version in every answer."""

from typing import Final

from blocks import __version__
from blocks.cli import output
from blocks.cli.terminal_text import make_printable

HEADER: Final = "Blocks-Version"
_said: set[str] = set()


def compare(version: str | None, url: str) -> None:
    """Say once, on standard error, where the service goes with another release of `blocks`."""
    # An older service names none, and a patch release changes nothing that matters here.
    if not version or _release_of(version) == _release_of(__version__) or url in _said or output.is_quiet():
        return
    _said.add(url)
    output.print_warning(
        f"note: this is blocks {__version__}, and the service goes with {make_printable(version[:40])}. "
        f"How to install that one: {url}/cli/"
    )


def _release_of(version: str) -> list[str]:
    """``0.1`` of ``0.1.7``."""
    return version.split(".")[:2]
