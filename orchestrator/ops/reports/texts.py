"""A report as people get it: whole, as the message of its kind, and as the files of an evidence package."""

from collections.abc import Mapping

from orchestrator.ops.notifications import message_templates
from orchestrator.ops.notifications.message_templates import FilledMessage
from orchestrator.ops.reports import rendering
from orchestrator.ops.reports.document import ReportDocument
from orchestrator.ops.reports.report_kind import PLAIN_MESSAGE, REPORT_KINDS

_WITH_ASSUMPTIONS = "Return on spend"


def write_markdown(document: ReportDocument, base: str = "") -> str:
    """The whole report; one with a message of its own begins with it."""
    kind = REPORT_KINDS.get(document.kind)
    text = rendering.render_markdown(document, base)
    # The message first, ready to be copied into a channel; the figures behind it follow.
    return text if kind.message == PLAIN_MESSAGE else f"{fill_message(document, base).body}\n\n{text}"


def fill_message(document: ReportDocument, base: str = "") -> FilledMessage:
    """What those who subscribed to the report get."""
    kind = REPORT_KINDS.get(document.kind)
    values = {
        "title": rendering.word_title(document),
        "repo": document.repo or "all repos",
        "text": rendering.render_markdown(document, base),
        # Last, so that a kind may word a value of its own for the same name.
        **kind.values(document),
    }
    return message_templates.render_template(kind.message, values)


def write_files(document: ReportDocument, base: str = "") -> Mapping[str, str]:
    """The text of each file of the evidence package, by its path; empty for a kind without files."""
    kind = REPORT_KINDS.get(document.kind)
    return {path: _write_file(document, titles, base) for path, titles in kind.files.items()}


def _write_file(document: ReportDocument, titles: tuple[str, ...], base: str) -> str:
    sections = [section for section in document.sections if section.title in titles]
    parts = [
        f"# {' and '.join(titles)}",
        f"{rendering.word_title(document)}. {rendering.word_scope(document)}",
    ]
    parts += [rendering.render_section(section, base) for section in sections]
    # A return without its assumptions would be quoted without them.
    if _WITH_ASSUMPTIONS in titles:
        parts.append(rendering.render_assumptions(document))
    return "\n\n".join(parts) + "\n"
