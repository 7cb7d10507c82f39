"""What an auditor expects of a block: an older one replayed whole is authentic, only an expectation tells the two apart."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.cli.attestation import FOLDER, MANIFEST, SUFFIX, Report
from blocks.cli.errors import Failure


@dataclass(frozen=True, slots=True)
class Expected:
    """Empty fields expect nothing. ``block`` is family/name, ``digest`` the SHA-256 of manifest.json, ``not_before`` in UTC."""

    flow: str = ""
    repo: str = ""
    block: str = ""
    digest: str = ""
    not_before_entry: int = 0
    not_before: datetime | None = None

    def __bool__(self) -> bool:
        """Whether anything is expected."""
        return self != Expected()


def read(
    *, flow: str, repo: str, block: str, digest: str, not_before_entry: int, not_before: str
) -> Expected:
    """Expectations as they are typed; raises ``Failure`` for a digest or a time that is none."""
    if digest and not re.fullmatch(r"(sha256:)?[0-9a-fA-F]{64}", digest):
        raise _unclear(
            "--digest",
            digest,
            "Give the 64 hexadecimal digits of manifest.json's SHA-256; `sha256sum manifest.json`.",
        )
    return Expected(
        flow, repo, block, digest.lower().removeprefix("sha256:"), not_before_entry, _moment(not_before)
    )


def compare(report: Report, expected: Expected) -> None:
    """Add to ``report`` whatever is not as expected; what is not proved is never as expected."""
    for wanted, proved, what in (
        (expected.flow, report.flow, "flow"),
        (expected.repo, report.repo, "repo"),
        (expected.block, report.block, "block"),
        (expected.digest, report.digest, "manifest with the SHA-256"),
    ):
        if wanted and wanted != proved:
            report.add(MANIFEST, f"is of the {what} {proved or '(not proved)'}, expected was {wanted}")
    if report.sequence < expected.not_before_entry:
        said = f"is entry {report.sequence}" if report.sequence else "has no proved entry"
        report.add(
            f"{FOLDER}log-entry{SUFFIX}",
            f"{said} of the log, expected was {expected.not_before_entry} or later",
        )
    if (
        expected.not_before is not None
        and (_sealed(report) or datetime.min.replace(tzinfo=UTC)) < expected.not_before
    ):
        report.add(
            MANIFEST,
            f"was sealed {report.sealed_at or '(not proved)'}, expected was {expected.not_before:%FT%TZ} or later",
        )


def _sealed(report: Report) -> datetime | None:
    try:
        return datetime.fromisoformat(report.sealed_at).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _moment(text: str) -> datetime | None:
    """A date or a time; without a zone it is UTC."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unclear(
            "--not-before", text, "Give a date or a time after RFC 3339: 2026-11-01 or 2026-11-01T08:30:00Z."
        ) from error


def _unclear(option: str, text: str, cure: str) -> Failure:
    return Failure(f"{option} {text[:80]!r} cannot be understood.", cure=cure, code="cli:bad-expectation")
