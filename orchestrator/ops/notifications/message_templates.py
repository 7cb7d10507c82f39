"""What messages say: files in ``messages/``, in the words of the launch runbook.

A file begins with a head in YAML between two lines of ``---``: which notifier and target the message is for,
its subject, its severity, and an example of each value. Below is the text, in Django's template language
without HTML: ``{{ repo }}``. The admin previews each with its example.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from django.template import Context, Engine

from orchestrator.core.errors import FixedBy, OrchestratorError

FOLDER: Final = Path(__file__).with_name("messages")
# No autoescape: this is text for Slack and mail, not HTML. A name that is missing is an error, not a gap.
_ENGINE: Final = Engine(autoescape=False, string_if_invalid="\ufffd%s\ufffd")


class MessageTemplateError(OrchestratorError):
    """There is no such template, or a value for it is missing."""

    code = "notify:template"
    fixed_by = FixedBy.US


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """One file, parsed."""

    name: str
    about: str
    notifier: str
    target: str
    subject: str
    severity: str
    example: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class FilledMessage:
    """A template with its values filled in."""

    subject: str
    body: str


def list_templates() -> tuple[MessageTemplate, ...]:
    """Every template, by name."""
    return tuple(read_template(path.stem) for path in sorted(FOLDER.glob("*.md")))


@cache
def read_template(name: str) -> MessageTemplate:
    """The template ``name``; raises ``MessageTemplateError``."""
    path = FOLDER / f"{name}.md"
    if path.parent != FOLDER or not path.is_file():
        raise MessageTemplateError(f"There is no message template {name!r}.")
    _, head, text = path.read_text(encoding="utf-8").split("---\n", 2)
    facts = yaml.safe_load(head)
    return MessageTemplate(
        name,
        about=facts["about"],
        notifier=facts["notifier"],
        target=facts.get("target", ""),
        subject=facts.get("subject", ""),
        severity=facts.get("severity", "info"),
        example=facts.get("example", {}),
        text=text.strip(),
    )


def render_template(name: str, values: Mapping[str, Any]) -> FilledMessage:
    """The message; raises ``MessageTemplateError`` where a value that it names is missing."""
    template = read_template(name)
    subject, body = (_fill_in(text, values) for text in (template.subject, template.text))
    if "\ufffd" in subject + body:
        missing = sorted(set((subject + body).split("\ufffd")[1::2]))
        raise MessageTemplateError(f"The message {name} lacks {', '.join(missing)}.")
    return FilledMessage(" ".join(subject.split()), body.strip())


def render_webhook(topic: str, at: datetime, facts: Mapping[str, Any]) -> str:
    """The body of a webhook, in the form of Standard Webhooks: type, timestamp, data."""
    return json.dumps({"type": topic, "timestamp": at.isoformat(), "data": dict(facts)}, sort_keys=True)


def _fill_in(text: str, values: Mapping[str, Any]) -> str:
    # The mark of a missing name must not come from a value.
    clean = {
        name: value.replace("\ufffd", "?") if isinstance(value, str) else value
        for name, value in values.items()
    }
    return str(_ENGINE.from_string(text).render(Context(clean)))
