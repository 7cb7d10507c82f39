"""The life of what ``deploy/terraform`` makes: applied, changed by somebody, put back, and not destroyed."""

from tests.deploy.terraform.working_copy import WorkingCopy

_NO_CHANGES, _CHANGES = 0, 2
_BUCKET = "context-bundles-prod"
_OTHER_ACCOUNT = (
    "-var=account=111111111111",
    "-var=oidc_provider_arn=arn:aws:iam::111111111111:oidc-provider/oidc.example.com/id/ABC",
)


def check_life(copy: WorkingCopy) -> None:
    """Raise AssertionError where Terraform does something else than operators are told."""
    refused = copy.run("plan", "-refresh=false", *_OTHER_ACCOUNT)
    assert "AWS account ID not allowed" in refused.stdout, refused.stdout
    applied = copy.require("apply", "-auto-approve")
    assert "0 changed, 0 destroyed" in applied, applied
    check_wiring(copy)
    made = read_everything(copy)
    same = copy.run("plan", "-detailed-exitcode")
    assert same.returncode == _NO_CHANGES, same.stdout
    check_drift(copy)
    assert read_everything(copy) == made
    check_that_the_bucket_stays(copy)
    assert read_everything(copy) == made


def read_everything(copy: WorkingCopy) -> dict[str, object]:
    """What every stand-in has made."""
    return {one: copy.read_far(one) for one in ("aws", "grafana", "pagerduty")}


def check_wiring(copy: WorkingCopy) -> None:
    """The parts name each other by the ids that the far sides gave them."""
    paging = copy.read_far("pagerduty")
    schedules = {one["name"]: key for key, one in paging["pagerduty_schedule"].items()}
    (policy,) = paging["pagerduty_escalation_policy"].values()
    targets = [rule["target"][0]["id"] for rule in policy["rule"]]
    assert targets[:2] == [schedules["flowengine-oncall"], schedules["flowengine-oncall-secondary"]]
    aws = copy.read_far("aws")
    (key,) = aws["aws_kms_key"].values()
    (rights,) = aws["aws_iam_role_policy"].values()
    assert key["arn"] in rights["policy"]
    encryption = aws["aws_s3_bucket_server_side_encryption_configuration"][_BUCKET]["rule"][0]
    assert encryption["apply_server_side_encryption_by_default"][0]["kms_master_key_id"] == key["arn"]


def check_drift(copy: WorkingCopy) -> None:
    """Somebody shortens the retention, opens the bucket, and gives the primary an hour."""
    aws, paging = copy.read_far("aws"), copy.read_far("pagerduty")
    lock = aws["aws_s3_bucket_object_lock_configuration"][_BUCKET]
    lock["rule"][0]["default_retention"][0]["years"] = 1
    block = aws["aws_s3_bucket_public_access_block"][_BUCKET]
    block["block_public_policy"] = False
    (policy,) = paging["pagerduty_escalation_policy"].values()
    policy["rule"][0]["escalation_delay_in_minutes"] = 60
    copy.write_far("aws", aws)
    copy.write_far("pagerduty", paging)
    shown = copy.run("plan", "-detailed-exitcode", "-out=plan")
    assert shown.returncode == _CHANGES, shown.stdout
    changes = ("years = 1 -> 7", "block_public_policy     = false -> true", "in_minutes = 60 -> 5")
    missing = [one for one in changes if one not in shown.stdout]
    assert not missing, f"{missing} in {shown.stdout}"
    assert "0 added, 3 changed, 0 destroyed" in copy.require("apply", "plan")


def check_that_the_bucket_stays(copy: WorkingCopy) -> None:
    """Neither a destroy nor another name of the bucket takes it away, nor its key."""
    refused = copy.run("destroy", "-auto-approve", "-refresh=false")
    assert refused.returncode == 1, refused.stdout
    for resource in ("aws_s3_bucket.evidence", "aws_kms_key.evidence"):
        assert f"{resource} has lifecycle.prevent_destroy set" in " ".join(refused.stdout.split())
    renamed = copy.run("plan", "-refresh=false", "-var=bucket=another-bucket")
    assert renamed.returncode == 1, renamed.stdout
    assert "aws_s3_bucket.evidence has lifecycle.prevent_destroy set" in " ".join(renamed.stdout.split())
