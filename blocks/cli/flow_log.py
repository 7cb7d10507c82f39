"""The events of a flow, a line for each, with the time in UTC."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from blocks.cli import flow_following, output
from blocks.cli.client import Client
from blocks.cli.durations import format_usd
from blocks.cli.terminal_text import make_printable

# What an event says of itself, in the order in which a person wants to know; its cost comes last.
_SAID = ("model", "by", "reason", "message", "code", "cure")


def print_events(client: Client, flow_id: str, *, timeout: float | None, as_json: bool) -> None:
    """Print every event of a flow until it has ended; with ``as_json`` one document at the end."""
    until = None if timeout is None else time.monotonic() + timeout

    def in_time() -> None:
        if until is not None and time.monotonic() > until:
            raise flow_following.still_running(flow_id, f"{flow_id} is still running after {timeout:g} s.")

    found = []
    try:
        for event in client.events(flow_id, on_idle=in_time):
            if "at" not in event.data:
                continue  # the end of the stream, which is about no event
            found.append(event.data)
            if not as_json:
                output.print_line(describe_event(event.data))
    except KeyboardInterrupt:
        raise flow_following.still_running(
            flow_id, f"Interrupted. {flow_id} continues without you."
        ) from None
    if as_json:
        output.print_json({"flow": flow_id, "events": found})


def describe_event(event: Mapping[str, Any]) -> str:
    """``2026-11-30 08:14:03 UTC  stage.failed  verify (round 2)  ...``."""
    moment = datetime.fromisoformat(event["at"]).astimezone(UTC)
    stage = event.get("stage")
    name = stage["kind"] if stage else ""
    if stage and stage["round"] > 1:
        # As `blocks flow show` does: most flows have one round.
        name += f" (round {stage['round']})"
    data = event["data"] if isinstance(event["data"], dict) else {}
    said = [str(data[field]) for field in _SAID if data.get(field)]
    said.append(format_usd(str(data.get("cost_usd") or "0")))
    words = "  ".join(filter(None, (name, *said)))
    return f"{moment:%F %T} UTC  {event['kind']:<16} {make_printable(words)}".rstrip()
