"""``deploy/terraform`` as a whole, by the real Terraform and stand-in providers."""

import re
from collections.abc import Iterator

import pytest

from tests.deploy.terraform.life import check_life
from tests.deploy.terraform.refused_resources import check_refused
from tests.deploy.terraform.working_copy import NotAtHand, WorkingCopy, open_copy

# What the module's tests must notice: a file, what is in it, what somebody makes of it, the test that fails.
SPOILT = {
    "lock that can be lifted": ("policies/main.tf", '"COMPLIANCE"', '"GOVERNANCE"', "evidence"),
    "six years": ("policies/main.tf", "years = 7", "years = 6", "evidence"),
    "archive after a month": ("policies/main.tf", "days = 365", "days = 31", "evidence"),
    "no versions": ("bucket.tf", 'status = "Enabled"', 'status = "Suspended"', "evidence"),
    "other encryption": ("bucket.tf", '"aws:kms"', '"AES256"', "evidence"),
    "no rotation": (
        "bucket.tf",
        "enable_key_rotation     = true",
        "enable_key_rotation     = false",
        "evidence",
    ),
    "open to the public": (
        "bucket.tf",
        "restrict_public_buckets = true",
        "restrict_public_buckets = false",
        "evidence",
    ),
    "without TLS": (
        "policies/main.tf",
        'Sid       = "TlsOnly"\n        Effect    = "Deny"',
        'Sid       = "TlsOnly"\n        Effect    = "Allow"',
        "evidence",
    ),
    "one right more": (
        "policies/main.tf",
        '"s3:PutObject", ',
        '"s3:PutObject", "s3:DeleteObjectVersion", ',
        "access",
    ),
    "every object": ("policies/main.tf", "Resource = [local.objects_arn]", 'Resource = ["*"]', "access"),
    "any service account": ("policies/main.tf", "StringEquals = {", "StringLike = {", "access"),
    "half an hour": ("../pagerduty/escalation.tf.json", '_in_minutes": 10', '_in_minutes": 30', "paging"),
    "a day each": ("paging.tf", "7 * 24", "24", "paging"),
    "other dashboards": ("dashboards.tf", '"*.json"', '"flowengine-s*.json"', "dashboards"),
    "no second person": (
        "variables.tf",
        "(distinct(var.secondary)) >= 2",
        "(distinct(var.secondary)) >= 1",
        "variables",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingCopy]:
    try:
        with open_copy(tmp_path_factory.mktemp("terraform")) as opened:
            yield opened
    except NotAtHand as missing:
        pytest.skip(str(missing))


def test_it_is_valid_and_passes_its_own_tests(copy):
    assert "The configuration is valid" in copy.require("validate")
    passed = re.search(r"Success! (\d+) passed, 0 failed", copy.require("test"))
    assert passed
    files = list((copy.place / "tests").glob("*.tftest.hcl"))
    assert int(passed[1]) >= len(files) == 5


def test_the_stand_ins_refuse_what_the_providers_refuse(copy):
    check_refused(copy)


def test_it_is_applied_once_shows_drift_and_does_not_lose_its_bucket(copy):
    check_life(copy)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPOILT)
def test_its_own_tests_notice(name, copy):
    file, there, spoilt, test = SPOILT[name]
    place = copy.place / file
    text = place.read_text(encoding="utf-8")
    assert there in text
    try:
        place.write_text(text.replace(there, spoilt), encoding="utf-8")
        done = copy.run("test", f"-filter=tests/{test}.tftest.hcl")
    finally:
        place.write_text(text, encoding="utf-8")
    assert re.search(r"Failure! \d+ passed, [1-9]", done.stdout), done.stdout
