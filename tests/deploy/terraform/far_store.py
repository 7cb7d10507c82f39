"""What the stand-in providers have made, in a file that a test may change behind Terraform's back."""

import json
import uuid
from pathlib import Path
from typing import Any

Values = dict[str, Any]
_BUCKET = "aws_s3_bucket"
# What PagerDuty refuses to take away while an object of another type names it.
_USED_BY = {
    "pagerduty_schedule": "pagerduty_escalation_policy",
    "pagerduty_escalation_policy": "pagerduty_service",
}


class FarSideRefusal(Exception):
    """What the far side answers to a request that it does not carry out."""


class FarStore:
    """The objects by type and id. One writer at a time: the provider holds a lock around each call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, dict[str, Values]]:
        """Everything that is there."""
        if not self.path.exists():
            return {}
        found: dict[str, dict[str, Values]] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    def find(self, kind: str, key: str) -> Values | None:
        """One object; None where it was taken away."""
        return self.load().get(kind, {}).get(key)

    def save(self, kind: str, values: Values) -> None:
        """Write one object under its id."""
        objects = self.load()
        objects.setdefault(kind, {})[values["id"]] = values
        self.path.write_text(json.dumps(objects, indent=1), encoding="utf-8")

    def create(self, kind: str, values: Values) -> None:
        """A new object, where the far side takes it."""
        objects = self.load()
        if values["id"] in objects.get(kind, {}):
            raise FarSideRefusal(f"{kind} {values['id']} already exists")
        if kind.startswith(f"{_BUCKET}_"):
            refuse_setting(objects, kind, values)
        if kind == "aws_iam_role_policy" and values["role"] not in objects.get("aws_iam_role", {}):
            raise FarSideRefusal(f"NoSuchEntity: the role {values['role']} cannot be found")
        self.save(kind, values)

    def delete(self, kind: str, key: str) -> None:
        """Take an object away, where nothing holds it."""
        objects = self.load()
        if kind in _USED_BY:
            user = _USED_BY[kind]
            if any(key in json.dumps(one) for one in objects.get(user, {}).values()):
                raise FarSideRefusal(f"{kind} {key} is used by a {user}")
        objects.get(kind, {}).pop(key, None)
        self.path.write_text(json.dumps(objects, indent=1), encoding="utf-8")


def refuse_setting(objects: dict[str, dict[str, Values]], kind: str, values: Values) -> None:
    """Raise for a setting of a bucket that S3 does not take."""
    bucket = objects.get(_BUCKET, {}).get(values["bucket"])
    if bucket is None:
        raise FarSideRefusal(f"NoSuchBucket: {values['bucket']}")
    if kind == "aws_s3_bucket_object_lock_configuration":
        versioned = values["bucket"] in objects.get("aws_s3_bucket_versioning", {})
        if not bucket["object_lock_enabled"] or not versioned:
            raise FarSideRefusal(
                "InvalidBucketState: Object Lock needs versioning, and a bucket made with it"
            )


def make_id() -> str:
    """An id of the far side's own."""
    return f"P{uuid.uuid4().hex[:13].upper()}"
