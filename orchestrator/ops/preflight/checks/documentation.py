"""The guides, the runbooks and the FAQ, as this version brings them."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, ask, judge

_FOLDER: Final = "docs"
# The guides of the runbook's list, under our own names.
_PAGES: Final = {
    "guide-cli": "tutorial/cli-quickstart.md",
    "guide-authoring": "how-to/author-a-block.md",
    "guide-quality": "how-to/raise-the-quality-of-blocks.md",
    "runbooks": "runbooks/index.md",
    "faq": "how-to/faq.md",
}


class DocumentationCheck:
    """Looks for the pages."""

    section = "Documentation Available"
    phases = PHASES
    lines = (
        ChecklistLine(
            "guide-cli", "CLI Quick-Start Guide: `planning/60_launch/training/guides/01_cli_quickstart.md`"
        ),
        ChecklistLine(
            "guide-authoring",
            "Block Authoring Guide: `planning/60_launch/training/guides/02_block_authoring.md`",
        ),
        ChecklistLine(
            "guide-quality",
            "Quality & CI Guide: `planning/60_launch/training/guides/03_quality_ci_gating.md`",
        ),
        ChecklistLine("runbooks", "Runbooks: `planning/30_design/runbooks/`"),
        ChecklistLine("faq", "FAQ: `planning/60_launch/training/FAQ.md` (to be created)"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """An image without the pages cannot say where they are published."""
        for key, page in _PAGES.items():
            # Beside the code in a checkout; an image has the packages only.
            path = settings.BASE_DIR / _FOLDER / page
            if path.is_file():
                yield judge(key, path.stat().st_size > 0, f"{_FOLDER}/{page}", "Write the page.")
            else:
                cure = f"Open {page.removesuffix('.md')}.html of the published documentation."
                yield ask(key, "the pages are not installed here", cure)


CHECK = DocumentationCheck()
