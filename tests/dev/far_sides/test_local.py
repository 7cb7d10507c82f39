"""All far sides as `make up` starts them."""

import json
import subprocess
import sys
from pathlib import Path

import github
import pytest
import requests

from onboarding.provisioning.terraform import workspace
from orchestrator.dev.far_sides.choice import FAR_SIDES, choose_local
from orchestrator.dev.far_sides.terraform.cli_config import write_cli_config

ROOT = Path(__file__).resolve().parents[3]


def test_the_samples_are_at_github_and_all_four_answer(tmp_path):
    words = [
        sys.executable,
        "-m",
        "orchestrator.dev.far_sides.local",
        str(tmp_path / "far-sides"),
        *FAR_SIDES,
    ]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            values = json.loads(process.stdout.readline())
            client = github.Github(
                auth=github.Auth.Token(values["GITHUB_TOKEN"]), base_url=values["GITHUB_API_URL"], retry=None
            )
            found = client.get_repo("acme/compliance-service")
            assert [one.name for one in found.get_contents(".github/workflows", ref="main")] == ["ci.yml"]
            names = ("GITHUB_API_URL", "GITLAB_API_URL", "PAGERDUTY_API_URL", "GRAFANA_URL")
            for name in names:
                answer = requests.get(values[name].removesuffix("/api/v4") + "/", timeout=10)
                assert "stand-in on this machine" in answer.json()["note"]
                assert not any(value in answer.text for key, value in values.items() if "TOKEN" in key)
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("values", "local"),
    [
        ({}, ("github", "gitlab", "pagerduty", "grafana")),
        ({"GITHUB_TOKEN": "", "GITLAB_TOKEN": ""}, ("github", "gitlab", "pagerduty", "grafana")),
        ({"GITHUB_TOKEN": "x"}, ("gitlab", "pagerduty", "grafana")),
        ({"GITHUB_APP_ID": "7"}, ("gitlab", "pagerduty", "grafana")),
        ({"PAGERDUTY_API_TOKEN_FILE": "/run/secrets/x"}, ("github", "gitlab", "grafana")),
        # An address alone opens nothing.
        ({"GRAFANA_URL": "https://grafana.example.org"}, ("github", "gitlab", "pagerduty", "grafana")),
        ({"GITHUB_TOKEN": "x", "GITLAB_TOKEN": "x", "PAGERDUTY_API_TOKEN": "x", "GRAFANA_TOKEN": "x"}, ()),
    ],
)
def test_each_is_local_unless_its_own_credentials_are_set(values, local):
    assert choose_local(values) == local


def test_terraform_takes_the_stand_in_of_a_local_service_only(tmp_path):
    config = write_cli_config(tmp_path, ["grafana"])
    if config is None:
        pytest.skip("the environment of requirements-terraform.txt cannot be installed here")
    text = config.read_text()
    assert '"grafana/grafana"' in text
    assert "PagerDuty" not in text
    assert not workspace._overrides_every_provider(text), "the other one has to be installed"
    assert workspace._overrides_every_provider(write_cli_config(tmp_path).read_text())
