"""The generated pages by their places, and how they are written."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from docs.generators import commands, error_codes, manage_commands, metrics, operations

ROOT = Path(__file__).resolve().parents[2]
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/commands.md": commands.build_commands_page,
    "docs/reference/error-codes.md": error_codes.build_error_page,
    "docs/reference/manage-commands.md": manage_commands.build_manage_page,
    "docs/reference/metrics.md": metrics.build_metrics_page,
    "docs/reference/rest-operations.md": operations.build_operations_page,
}


def write_pages() -> Iterator[str]:
    """Write the pages; the places of those that have changed."""
    for place, build in PAGES.items():
        path = ROOT / place
        page = build()
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            path.write_text(page, encoding="utf-8")
            yield place
