"""All far sides as `make up` starts them."""

import json
import subprocess
import sys
from pathlib import Path

import github
import requests

ROOT = Path(__file__).resolve().parents[3]


def test_the_samples_are_at_github_and_all_four_answer(tmp_path):
    words = [sys.executable, "-m", "orchestrator.dev.far_sides.local", str(tmp_path / "far-sides")]
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
