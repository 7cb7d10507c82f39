"""Resources that official providers refuse, each with a part of the message. Stand-ins must do the same."""

import json
import re

from tests.deploy.terraform.working_copy import WorkingCopy

_LOCK = 'bucket = "b"\n rule {\n default_retention {\n mode = "%s"\n days = 1\n%s }\n }'
_MOVE = (
    'bucket = "b"\n rule {\n id = "x"\n status = "Enabled"\n filter {}\n'
    ' transition {\n days = 1\n storage_class = "ICE"\n }\n }'
)
_CIPHER = 'bucket = "b"\n rule {\n apply_server_side_encryption_by_default {\n sse_algorithm = "none"\n }\n }'
_STATUS = 'bucket = "b"\n versioning_configuration {\n status = "On"\n }'
_TARGET = ' target {\n id = "P1"\n }\n'
_SETTING = "aws_s3_bucket_%s"
REFUSED = {
    "unknown": ("aws_s3_bucket", "no_such = 1", "is not expected here"),
    "computed": ("aws_s3_bucket", 'arn = "arn"', 'configure a value for "arn"'),
    "missing": (_SETTING % "policy", 'bucket = "b"', 'The argument "policy" is required'),
    "conflict": ("aws_s3_bucket", 'bucket = "b"\n bucket_prefix = "c"', "conflicts with"),
    "mode": (_SETTING % "object_lock_configuration", _LOCK % ("FOREVER", ""), "mode to be one of"),
    "twice": (
        _SETTING % "object_lock_configuration",
        _LOCK % ("COMPLIANCE", "years = 7\n"),
        "conflicts with",
    ),
    "move": (_SETTING % "lifecycle_configuration", _MOVE, "ICE"),
    "cipher": (_SETTING % "server_side_encryption_configuration", _CIPHER, "sse_algorithm to be one of"),
    "status": (_SETTING % "versioning", _STATUS, "status to be one of"),
    "window": ("aws_kms_key", "deletion_window_in_days = 3", "in the range (7 - 30)"),
    "session": (
        "aws_iam_role",
        'assume_role_policy = "{}"\n max_session_duration = 60',
        "in the range (3600",
    ),
    "no_rule": ("pagerduty_escalation_policy", 'name = "x"', "At least 1"),
    "at_once": (
        "pagerduty_escalation_policy",
        f'name = "x"\n rule {{\n escalation_delay_in_minutes = 0\n{_TARGET} }}',
        "delay_in_minutes to be",
    ),
    "spaced": ("grafana_folder", 'title = "x"\n uid = "a b"', "uid"),
    "no_model": ("grafana_dashboard", "overwrite = true", 'The argument "config_json" is required'),
}


def validate_refused(copy: WorkingCopy) -> dict[str, str]:
    """What ``terraform validate`` says of each of them, by the name of the resource."""
    place = copy.place / "refused.tf"
    blocks = [f'resource "{kind}" "{name}" {{\n {body}\n}}\n' for name, (kind, body, _) in REFUSED.items()]
    place.write_text("\n".join(blocks), encoding="utf-8")
    try:
        found = json.loads(copy.run("validate", "-json").stdout)
    finally:
        place.unlink()
    said: dict[str, str] = {}
    for one in found["diagnostics"]:
        name = re.search(r'resource "\w+" "(\w+)"', (one.get("snippet") or {}).get("context") or "")
        if one["severity"] == "error" and name:
            said[name[1]] = f"{said.get(name[1], '')} {one['summary']} {one['detail']}"
    return said


def check_refused(copy: WorkingCopy) -> None:
    """Raise AssertionError for a resource that is taken, or refused for another reason."""
    said = validate_refused(copy)
    taken = {name: said.get(name) for name, (_, _, text) in REFUSED.items() if text not in said.get(name, "")}
    assert not taken
