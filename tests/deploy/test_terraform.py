"""Terraform's files against what the product asks of its bucket, its rights and its people on call."""

import ast
import json
import re
from pathlib import Path

from tests.deploy import manifests
from tests.ops.launch_runbook import read_facts

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "deploy/terraform"
STORE = ROOT / "orchestrator/flows/evidence/bucket_store.py"
POLICIES = (TERRAFORM / "policies/main.tf").read_text(encoding="utf-8")
# The right that each call of the store needs, by AWS' table of actions. A lock at writing is a right of its
# own, a retention that a HEAD shows is another; who may not list is told 403 where nothing is.
RIGHTS = {
    "put_object": {"s3:PutObject", "s3:PutObjectRetention"},
    "get_object": {"s3:GetObject", "s3:ListBucket"},
    "head_object": {"s3:GetObject", "s3:GetObjectRetention"},
    "put_object_retention": {"s3:PutObjectRetention"},
    "get_object_lock_configuration": {"s3:GetBucketObjectLockConfiguration"},
    "get_bucket_versioning": {"s3:GetBucketVersioning"},
    "get_bucket_lifecycle_configuration": {"s3:GetLifecycleConfiguration"},
}


def list_store_calls() -> set[str]:
    """The calls of S3 in the one module that makes them."""
    found: set[str] = set()
    tree = ast.parse(STORE.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if ast.unparse(node.func.value) == "self.client":
            found.add(node.func.attr)
        elif node.func.attr == "_read_setting":
            found.add(str(ast.literal_eval(node.args[0])))
    # The client's own.
    return found - {"close"}


def read_block(name: str) -> str:
    """The text of one value under `locals`."""
    return POLICIES.split(f"\n  {name} = {{", 1)[1].split("\n  }\n", 1)[0]


def test_the_pods_have_the_rights_that_the_store_uses_and_no_other():
    wanted = set().union(*(RIGHTS[call] for call in list_store_calls()))
    assert set(re.findall(r'"(s3:\w+)"', read_block("access"))) == wanted
    assert set(re.findall(r'"(kms:\w+)"', read_block("access"))) == {"kms:Decrypt", "kms:GenerateDataKey"}


def test_the_role_is_for_the_service_account_of_the_manifests():
    found = manifests.build_overlay("production")
    account = manifests.find(found, "ServiceAccount", "orchestrator")["metadata"]
    assert f'default     = "{account["namespace"]}:{account["name"]}"' in POLICIES
    with_role = {one["metadata"]["name"] for one, pod in asking_pods(found) if pod == "orchestrator"}
    # Those whose row of the table of secrets has the store.
    assert with_role == {
        *("flowengine", "onboarding-portal", "worker-control", "worker-gates", "worker-onboarding"),
        *("worker-anthropic", "worker-openai", "worker-google"),
    }


def asking_pods(found):
    return [
        (one, one["spec"]["template"]["spec"]["serviceAccountName"])
        for one, _ in manifests.list_workloads(found)
    ]


def test_the_bucket_is_the_one_of_the_manifests_and_kept_as_the_runbook_says():
    variables = (TERRAFORM / "variables.tf").read_text(encoding="utf-8")
    settings = manifests.find(manifests.build_overlay("production"), "ConfigMap", "settings")["data"]
    assert f'default     = "{settings["CONTEXT_BUNDLE_BUCKET"]}"' in variables
    assert '{ mode = "COMPLIANCE", years = 7 }' in POLICIES
    assert '{ days = 365, class = "GLACIER" }' in POLICIES
    bucket = (TERRAFORM / "bucket.tf").read_text(encoding="utf-8")
    assert re.search(r"object_lock_enabled\s+= true", bucket)
    # A rule that expires objects hides what the log names.
    assert "expiration" not in bucket


def test_the_rotations_feed_the_one_escalation():
    paging = (TERRAFORM / "paging.tf").read_text(encoding="utf-8")
    assert 'source = "../pagerduty"' in paging
    escalation = json.loads((ROOT / "deploy/pagerduty/escalation.tf.json").read_text(encoding="utf-8"))
    module = paging.split('module "paging" {', 1)[1]
    assert set(re.findall(r"^  (\w+) += ", module, re.M)) - {"source"} == set(escalation["variable"])
    assert [minutes for _, minutes in read_facts()["escalation"]] == [5, 10, 15]
    assert "week = 7 * 24 * 3600" in paging
