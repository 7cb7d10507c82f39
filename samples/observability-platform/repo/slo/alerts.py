"""What is sent when an objective is in danger."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alert:
    """``severity`` is ``page`` or ``ticket``."""

    service: str
    severity: str
    text: str


def threshold_alert(service: str, error_share: float) -> Alert | None:
    """The old rule: more than one percent of errors in five minutes. To be replaced by burn rates."""
    if error_share <= 0.01:
        return None
    return Alert(service, "page", f"{service}: {error_share:.1%} errors in 5 minutes")
