"""Notes with the time at which they were taken."""

from datetime import UTC, datetime


def take_note(text: str, now: datetime | None = None) -> dict[str, str]:
    """The note with its hour in UTC; the clock is read where no time is given."""
    moment = now or datetime.now(UTC)
    return {"text": text.strip(), "hour": moment.strftime("%Y-%m-%dT%H")}
