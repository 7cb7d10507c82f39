"""A subset of cron: fields with ``*``, lists, ranges and steps."""

from datetime import datetime, timedelta

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))


class CronError(ValueError):
    """An expression that cannot be read."""


def _parse_field(text: str, name: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        try:
            step = int(step_text) if step_text else 1
            if span == "*":
                first, last = low, high
            elif "-" in span:
                first, last = (int(each) for each in span.split("-"))
            else:
                first = last = int(span)
        except ValueError:
            raise CronError(f"{name}: {part!r} cannot be read") from None
        if not (low <= first <= last <= high) or step < 1:
            raise CronError(f"{name}: {part!r} is out of range")
        values.update(range(first, last + 1, step))
    return values


def parse(expression: str) -> dict[str, list[int]]:
    """The values of each field, ascending."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise CronError(f"{len(parts)} fields instead of {len(_FIELDS)}")
    return {
        name: sorted(_parse_field(part, name, low, high))
        for part, (name, low, high) in zip(parts, _FIELDS, strict=True)
    }


def next_run(expression: str, after: datetime) -> datetime:
    """The first minute after ``after`` that fits, within a year. Sunday is 0."""
    fields = parse(expression)
    moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    limit = moment + timedelta(days=366)
    while moment < limit:
        if (
            moment.month not in fields["month"]
            or moment.day not in fields["day"]
            or moment.isoweekday() % 7 not in fields["weekday"]
        ):
            moment = moment.replace(hour=0, minute=0) + timedelta(days=1)
        elif moment.hour not in fields["hour"]:
            moment = moment.replace(minute=0) + timedelta(hours=1)
        elif moment.minute not in fields["minute"]:
            moment += timedelta(minutes=1)
        else:
            return moment
    raise CronError("never runs")
