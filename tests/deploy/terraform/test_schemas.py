"""The stand-ins' schemas are cuts of the providers' own, and nothing beside them is used."""

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.dev.tool_environments import ROOT, find_tool
from tests.deploy.terraform.providers import SCHEMAS, find_official

AWS = "registry.terraform.io/hashicorp/aws"
# Prints the schemas of the two providers that the tests of onboarding use.
_SHOW = """
import json
from orchestrator.dev.far_sides.terraform import grafana_provider, pagerduty_provider
found = {}
for one in (grafana_provider.GrafanaProvider(), pagerduty_provider.PagerDutyProvider()):
    for kind in (*one.get_resources(), *one.get_data_sources()):
        attributes = kind.get_schema().to_pb().block.attributes
        found[one.get_model_prefix() + kind.get_name()] = {
            a.name: {"type": json.loads(a.type), "required": a.required} for a in attributes
        }
print(json.dumps(found))
"""


def read_facts(name: str) -> dict:
    return json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


def list_paths(block: dict, before: str = "") -> set[str]:
    """The path of every attribute, through the nested blocks."""
    paths = {f"{before}{name}" for name in block.get("attributes", {})}
    for name, nested in block.get("block_types", {}).items():
        paths |= {f"{before}{name}", *list_paths(nested["block"], f"{before}{name}.")}
    return paths


@pytest.mark.parametrize("name", ["aws", "grafana", "pagerduty"])
def test_the_rules_are_of_attributes_that_exist(name):
    facts = read_facts(name)
    for resource, rules in facts["rules"].items():
        known = list_paths(facts["resource_schemas"][resource]["block"])
        named = {path for kind in ("one_of", "between", "like") for path in rules.get(kind, {})}
        named |= {path for paths in rules.get("conflicting", []) for path in paths}
        named |= {*rules.get("replaced", []), *rules.get("made", {})}
        assert named
        assert named <= known


def test_the_stand_ins_of_onboarding_have_no_attribute_of_their_own():
    python = find_tool("terraform", "python")
    if python is None:
        pytest.skip("the environment of requirements-terraform.txt cannot be installed here")
    shown = subprocess.run([python, "-c", _SHOW], cwd=ROOT, capture_output=True, text=True, check=True)
    theirs = json.loads(shown.stdout)
    assert len(theirs) >= 4
    for name, attributes in theirs.items():
        facts = read_facts(name.split("_", 1)[0])
        schemas = facts["resource_schemas"] | facts["data_source_schemas"]
        if name == "pagerduty_escalation_policy":
            # Onboarding reads it, and makes none.
            schemas = facts["data_source_schemas"]
        real = schemas[name]["block"]["attributes"]
        for attribute, found in attributes.items():
            wanted = {"type": real[attribute]["type"], "required": real[attribute].get("required", False)}
            assert found == wanted, f"{name}.{attribute}"


@pytest.mark.slow
def test_the_schema_of_aws_is_the_official_one(tmp_path: Path):
    official = find_official(AWS)
    if official is None:
        pytest.skip("the official provider of AWS is not on this machine")
    found = read_official_schema(official.folder, tmp_path)
    facts = read_facts("aws")
    if official.version not in facts["source"]:
        pytest.skip(f"the cut belongs to another release than {official.version}")
    for kind in ("resource_schemas", "data_source_schemas"):
        for name, schema in facts[kind].items():
            assert strip_texts(found[kind][name]) == schema, name
    provider = found["provider"]["block"]
    for part in ("attributes", "block_types"):
        for name, schema in facts["provider"]["block"][part].items():
            assert strip_texts(provider[part][name]) == schema, name


def read_official_schema(folder: Path, scratch: Path) -> dict:
    config = scratch / "rc"
    config.write_text(f'provider_installation {{\n dev_overrides {{\n "{AWS}" = "{folder}"\n }}\n}}\n')
    (scratch / "main.tf").write_text(
        'terraform {\n required_providers {\n aws = { source = "hashicorp/aws" }\n }\n}\n'
    )
    environment = {
        "TF_CLI_CONFIG_FILE": str(config),
        "CHECKPOINT_DISABLE": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    words = ["terraform", "providers", "schema", "-json"]
    shown = subprocess.run(words, cwd=scratch, env=environment, capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)["provider_schemas"][AWS]


def strip_texts(schema):
    """The schema without what is written for people. An attribute may be called `description`, too."""
    if isinstance(schema, list):
        return [strip_texts(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    texts = {"description", "description_kind", "deprecated"}
    return {n: strip_texts(v) for n, v in schema.items() if n not in texts or isinstance(v, dict)}
