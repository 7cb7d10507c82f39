"""What an auditor expects of a block. A genuine older block replayed whole holds too; only an expectation
finds it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.cli.errors import Failure
from blocks.format.manifest import MANIFEST
from blocks.format.statements import LOG_ENTRY, statement_path
from blocks.format.verification import VerificationReport

_DIGEST = re.compile(r"(sha256:)?[0-9a-fA-F]{64}")
_UNPROVED = "(not proved)"


@dataclass(frozen=True, slots=True)
class Expectations:
    """Empty fields expect nothing. ``block`` is family/name, ``digest`` the SHA-256 of manifest.json,
    ``not_before`` in UTC.
    """

    flow: str = ""
    repo: str = ""
    block: str = ""
    digest: str = ""
    not_before_entry: int = 0
    not_before: datetime | None = None

    def __bool__(self) -> bool:
        """Whether anything is expected."""
        return self != Expectations()


def parse_expectations(
    *, flow: str, repo: str, block: str, digest: str, not_before_entry: int, not_before: str
) -> Expectations:
    """Expectations as they are typed; raises ``Failure`` for a digest or a time that is malformed."""
    if digest and not _DIGEST.fullmatch(digest):
        raise _malformed(
            "--digest",
            digest,
            "Give the 64 hexadecimal digits of manifest.json's SHA-256; `sha256sum manifest.json`.",
        )
    return Expectations(
        flow=flow,
        repo=repo,
        block=block,
        # Tools print digests in both cases and with a prefix; the comparison knows one form.
        digest=digest.lower().removeprefix("sha256:"),
        not_before_entry=not_before_entry,
        not_before=parse_moment(not_before),
    )


def compare_report(report: VerificationReport, expected: Expectations) -> None:
    """Add to ``report`` everything that is not as expected; what is not proved is never as expected."""
    for wanted, proved, what in (
        (expected.flow, report.flow, "flow"),
        (expected.repo, report.repo, "repo"),
        (expected.block, report.block, "block"),
    ):
        if wanted and wanted != proved:
            report.add_problem(
                MANIFEST, f"belongs to the {what} {proved or _UNPROVED}, expected was {wanted}"
            )
    if expected.digest and expected.digest != report.digest:
        proved = report.digest or _UNPROVED
        report.add_problem(MANIFEST, f"has the SHA-256 {proved}, expected was {expected.digest}")
    _compare_entry(report, expected.not_before_entry)
    _compare_moment(report, expected.not_before)


def _compare_entry(report: VerificationReport, not_before: int) -> None:
    if report.sequence >= not_before:
        return
    # The sequence is 0 where no entry is proved, which is before every expectation.
    proved = f"is entry {report.sequence}" if report.sequence else "has no proved entry"
    what = f"{proved} of the log, expected was {not_before} or later"
    report.add_problem(statement_path(LOG_ENTRY), what)


def _compare_moment(report: VerificationReport, not_before: datetime | None) -> None:
    if not_before is None:
        return
    sealed_at = read_moment(report.sealed_at)
    if sealed_at is None or sealed_at < not_before:
        proved = report.sealed_at or _UNPROVED
        report.add_problem(MANIFEST, f"was sealed {proved}, expected was {not_before:%FT%TZ} or later")


def read_moment(text: str) -> datetime | None:
    """A date or a time, in UTC where it names no zone; ``None`` for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    # A moment near year 1 or 9999 leaves the range of datetime when it is moved to UTC.
    except (ValueError, OverflowError):
        return None


def parse_moment(text: str, option: str = "--not-before") -> datetime | None:
    """A date or a time as it is typed, in UTC; None for an empty text. Raises ``Failure`` for others."""
    found = read_moment(text)
    if text and found is None:
        raise _malformed(
            option, text, "Give a date or a time after RFC 3339: 2026-11-01 or 2026-11-01T08:30:00Z."
        )
    return found


def _malformed(option: str, text: str, cure: str) -> Failure:
    return Failure(f"{option} {text[:80]!r} cannot be understood.", cure=cure, code="cli:bad-expectation")
