"""Whether enough people are trained, and what they say of it, from the training records."""

from collections.abc import Iterator

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, judge
from orchestrator.ops.training.standing import TrainingFigure, read_standing


class TrainingCheck:
    """Compares the records with the thresholds."""

    section = "Training Completion (Module 1-5, Nov 18-22)"
    phases = PHASES
    lines = (
        ChecklistLine("certified", "≥30 participants certified (≥80% pass rate)"),
        ChecklistLine("training-feedback", "≥4.5/5.0 average feedback score"),
        ChecklistLine("recordings", "All session recordings published"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """The first line has two thresholds, and both have to be reached."""
        found = {figure.key: figure for figure in read_standing()}
        # Thirty certified of a hundred who tried are not what the runbook means.
        certified, rate = found["certified"], found["pass-rate"]
        yield judge(
            "certified",
            certified.met and rate.met,
            f"{_write(certified)} certified; pass rate {_write(rate)} % ({rate.basis})",
            "Import scores of who was trained: admin, Training and feedback, Import CSV.",
        )
        stars, recordings = found["training-feedback"], found["recordings"]
        yield judge(
            "training-feedback",
            stars.met,
            f"{_write(stars)} of 5 ({stars.basis})",
            "Import the answers (feedback.csv); where they are in, hold the weakest module again.",
        )
        yield judge(
            "recordings",
            recordings.met,
            recordings.basis,
            "Enter sessions with the address of each recording: admin, Training sessions.",
        )


def _write(figure: TrainingFigure) -> str:
    return "no data" if figure.value is None else f"{figure.value:g}"


CHECK = TrainingCheck()
