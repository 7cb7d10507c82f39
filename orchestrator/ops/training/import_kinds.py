"""The kinds of CSV files that can be taken, each with its columns, what a line must be, and its rows.

A line names people by address, modules by number and sessions by reference, so a file can be made anywhere.
What it names has to be there already: people and modules come first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from rest_framework import serializers

from orchestrator.core.redaction import redact_text
from orchestrator.ops.training.models import (
    LEAST_STARS,
    MOST_STARS,
    REFERENCE,
    Feedback,
    FeedbackSubject,
    OnCallDuty,
    SessionKind,
    Trainee,
    TrainingModule,
    TrainingScore,
    TrainingSession,
)

MOST_ATTENDEES: Final = 500


class KnownTraineeField(serializers.CharField):
    """The address of somebody who is known; becomes the key of the row."""

    def to_internal_value(self, data: Any) -> Any:
        """Look the address up among those that the import has read once for all lines."""
        # Cut before it is compared or shown: a cell may be as long as the file.
        email = super().to_internal_value(data)[:254].lower()
        found: int | None = self.context["trainees"].get(email)
        if found is None:
            raise serializers.ValidationError(f"{email} is not known; import people first.")
        return found


class KnownModuleField(serializers.IntegerField):
    """The number of a module that is known."""

    def to_internal_value(self, data: Any) -> int:
        """Look the number up."""
        number = super().to_internal_value(data)
        if number not in self.context["modules"]:
            raise serializers.ValidationError(f"There is no module {number}; import modules first.")
        return int(number)


class AttendeesField(serializers.CharField):
    """Addresses with spaces between them."""

    def to_internal_value(self, data: Any) -> Any:
        """Every address, looked up; all that are not known at once."""
        emails = super().to_internal_value(data).lower().split()
        if len(emails) > MOST_ATTENDEES:
            raise serializers.ValidationError(f"More than {MOST_ATTENDEES} people.")
        known = self.context["trainees"]
        # All at once: who has to add people wants to do it in one go.
        missing = [email[:254] for email in emails if email not in known]
        if missing:
            raise serializers.ValidationError(f"{', '.join(missing[:5])}: not known; import people first.")
        return sorted({known[email] for email in emails})


class TraineeLineSerializer(serializers.Serializer[Any]):
    """A line of people.csv."""

    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=120)
    team = serializers.CharField(max_length=100, allow_blank=True)
    duty = serializers.ChoiceField(choices=OnCallDuty.choices)

    def validate_email(self, value: str) -> str:
        """Addresses are compared in lower case."""
        return value.lower()


class ModuleLineSerializer(serializers.Serializer[Any]):
    """A line of modules.csv."""

    number = serializers.IntegerField(min_value=1, max_value=100)
    title = serializers.CharField(max_length=120)
    is_required = serializers.ChoiceField(choices=["yes", "no"])

    def validate_is_required(self, value: str) -> bool:
        """People write yes or no."""
        return value == "yes"


class ScoreLineSerializer(serializers.Serializer[Any]):
    """A line of scores.csv."""

    trainee_id = KnownTraineeField()
    module_id = KnownModuleField()
    # One format only: 03/04/2026 is read as two days by two people.
    taken_on = serializers.DateField(input_formats=["%Y-%m-%d"])
    percent = serializers.IntegerField(min_value=0, max_value=100)


class SessionLineSerializer(serializers.Serializer[Any]):
    """A line of sessions.csv."""

    reference = serializers.CharField(max_length=64, validators=[REFERENCE])
    kind = serializers.ChoiceField(choices=SessionKind.choices)
    module_id = KnownModuleField(allow_null=True)
    held_on = serializers.DateField(input_formats=["%Y-%m-%d"])
    recording_url = serializers.URLField(max_length=500, allow_blank=True)
    attendees = AttendeesField(allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A module's session names the module, and no other session does."""
        if (attrs["kind"] == SessionKind.MODULE) != (attrs["module_id"] is not None):
            raise serializers.ValidationError(
                {"module": "A session of a module names it, and no other session does."}
            )
        return attrs


class FeedbackLineSerializer(serializers.Serializer[Any]):
    """A line of feedback.csv."""

    reference = serializers.CharField(max_length=64, validators=[REFERENCE])
    about = serializers.ChoiceField(choices=FeedbackSubject.choices)
    stars = serializers.DecimalField(
        max_digits=2, decimal_places=1, min_value=LEAST_STARS, max_value=MOST_STARS
    )
    comment = serializers.CharField(max_length=2000, allow_blank=True)
    given_on = serializers.DateField(input_formats=["%Y-%m-%d"])

    def validate_comment(self, value: str) -> str:
        """People paste logs into comments, with what is in them."""
        return redact_text(value)[0]


@dataclass(frozen=True, slots=True)
class ImportKind:
    """One kind of file.

    ``columns`` are the header, exactly and in this order, each with the field of ``line`` that it fills.
    ``key`` are the fields that name a row: a line whose row is there changes it, and adds none.
    """

    model: type[models.Model]
    line: type[serializers.Serializer[Any]]
    columns: Mapping[str, str]
    key: tuple[str, ...]


def _same(*names: str) -> dict[str, str]:
    """Columns that are called as their fields are."""
    return {name: name for name in names}


IMPORT_KINDS: Final[dict[str, ImportKind]] = {
    # In the order in which they are needed: what names others comes after them.
    "people": ImportKind(Trainee, TraineeLineSerializer, _same("email", "name", "team", "duty"), ("email",)),
    "modules": ImportKind(
        TrainingModule,
        ModuleLineSerializer,
        {"number": "number", "title": "title", "required": "is_required"},
        ("number",),
    ),
    "scores": ImportKind(
        TrainingScore,
        ScoreLineSerializer,
        {"email": "trainee_id", "module": "module_id", "taken_on": "taken_on", "percent": "percent"},
        ("trainee_id", "module_id", "taken_on"),
    ),
    "sessions": ImportKind(
        TrainingSession,
        SessionLineSerializer,
        {
            "reference": "reference",
            "kind": "kind",
            "module": "module_id",
            "held_on": "held_on",
            "recording_url": "recording_url",
            "attendees": "attendees",
        },
        ("reference",),
    ),
    "feedback": ImportKind(
        Feedback,
        FeedbackLineSerializer,
        _same("reference", "about", "stars", "comment", "given_on"),
        ("reference",),
    ),
}
