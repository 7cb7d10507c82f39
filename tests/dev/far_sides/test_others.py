"""The stand-ins of GitLab (through python-gitlab), PagerDuty and Grafana.

PagerDuty's own client refuses an address without TLS, so its requests are written out here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gitlab
import pytest
import requests

from orchestrator.dev.far_sides.gitlab import EVERYTHING, GitLabProject, LocalGitLab
from orchestrator.dev.far_sides.grafana import LocalGrafana
from orchestrator.dev.far_sides.pagerduty import LocalPagerDuty
from orchestrator.dev.far_sides.server import serve

PATH = "acme/payments/ledger"


@pytest.fixture
def gitlab_side() -> Iterator[LocalGitLab]:
    made = LocalGitLab(tokens={TOKEN: EVERYTHING})
    with serve(made):
        yield made
    assert made.faults == []


@pytest.fixture
def project(gitlab_side: LocalGitLab, tmp_path: Path) -> GitLabProject:
    made = gitlab_side.add_project(PATH, tmp_path)
    made.remote.commit_files("main", {"README.md": b"# Ledger\n", ".gitlab-ci.yml": b"test: {script: x}\n"})
    return made


TOKEN = "glpat-operators"


def connect(far_side: LocalGitLab, token: str = TOKEN) -> gitlab.Gitlab:
    return gitlab.Gitlab(far_side.url, private_token=token, timeout=5, retry_transient_errors=False)


def test_a_commit_of_several_files_and_its_merge_request(gitlab_side, project):
    found = connect(gitlab_side).projects.get(PATH)
    assert (found.default_branch, found.empty_repo) == ("main", False)
    actions = [{"action": "create", "file_path": f".blocks/{name}", "content": name} for name in "ab"]
    body = {"branch": "blocks/onboarding", "start_branch": "main", "commit_message": "x", "actions": actions}
    found.commits.create(body)
    with pytest.raises(gitlab.GitlabCreateError, match="already exists"):
        found.commits.create(body)
    request = {"source_branch": "blocks/onboarding", "target_branch": "main", "title": "Blocks"}
    made = found.mergerequests.create(request)
    with pytest.raises(gitlab.GitlabCreateError) as twice:
        found.mergerequests.create(request)
    assert twice.value.response_code == 409
    assert [one.iid for one in found.mergerequests.list(state="opened", iterator=True)] == [made.iid]
    assert found.files.get(".blocks/a", ref="blocks/onboarding").decode() == b"a"
    tree = found.repository_tree(ref="blocks/onboarding", recursive=True, iterator=True)
    assert ".blocks/b" in {one["path"] for one in tree}


def test_a_variable_is_masked_or_refused(gitlab_side, project):
    found = connect(gitlab_side).projects.get(PATH)
    with pytest.raises(gitlab.GitlabCreateError, match="is invalid"):
        found.variables.create({"key": "SHORT", "value": "x", "masked": True})
    found.variables.create({"key": "BLOCKS_TOKEN", "value": "blk_0123456789", "masked": True})
    with pytest.raises(gitlab.GitlabCreateError, match="already been taken"):
        found.variables.create({"key": "BLOCKS_TOKEN", "value": "blk_0123456789"})


def test_a_deploy_token_is_shown_once_and_a_renamed_project_is_followed(gitlab_side, project):
    found = connect(gitlab_side).projects.get(PATH)
    made = found.deploytokens.create({"name": "x", "scopes": ["read_repository"]})
    assert made.token.startswith("gldt-")
    assert "token" not in found.deploytokens.list(iterator=False)[0].attributes
    gitlab_side.rename(project, "acme/ledger")
    assert connect(gitlab_side).projects.get(PATH).path_with_namespace == "acme/ledger"
    with pytest.raises(gitlab.GitlabAuthenticationError):
        connect(gitlab_side, "wrong").projects.get(PATH)


def test_pagerduty_keeps_services_and_their_integrations():
    far_side = LocalPagerDuty(tokens={"key", "reader"}, read_only={"reader"})
    with serve(far_side) as url, requests.Session() as session:
        session.headers.update(
            {
                "Authorization": "Token token=key",
                "Accept": "application/vnd.pagerduty+json;version=2",
            }
        )
        found = session.get(f"{url}/escalation_policies", params={"query": "flow"}, timeout=5).json()
        policy = {"id": found["escalation_policies"][0]["id"], "type": "escalation_policy_reference"}
        body: Any = {"service": {"type": "service", "name": "ledger", "escalation_policy": policy}}
        made = session.post(f"{url}/services", json=body, timeout=5).json()["service"]
        twice = session.post(f"{url}/services", json=body, timeout=5)
        assert (twice.status_code, twice.json()["error"]["code"]) == (400, 2001)
        integration: Any = {"integration": {"type": "events_api_v2_inbound_integration", "name": "blocks"}}
        path = f"{url}/services/{made['id']}"
        answer = session.post(f"{path}/integrations", json=integration, timeout=5).json()
        assert answer["integration"]["integration_key"]
        assert [one["name"] for one in session.get(f"{url}/services", timeout=5).json()["services"]] == [
            "ledger"
        ]
        reader = {"Authorization": "Token token=reader"}
        assert session.delete(path, headers=reader, timeout=5).status_code == 403
        assert session.delete(path, timeout=5).status_code == 204
        assert session.get(path, timeout=5).status_code == 404
    assert (far_side.dump(), far_side.faults) == ({}, [])


def test_grafana_refuses_a_stale_dashboard():
    far_side = LocalGrafana(tokens={"glsa"})
    with serve(far_side) as url, requests.Session() as session:
        assert session.get(f"{url}/api/folders/blocks", timeout=5).status_code == 401
        session.headers["Authorization"] = "Bearer glsa"
        body: Any = {"dashboard": {"uid": "ledger", "title": "ledger"}, "folderUid": "blocks"}
        assert session.post(f"{url}/api/dashboards/db", json=body, timeout=5).json()["version"] == 1
        stale = session.post(f"{url}/api/dashboards/db", json=body, timeout=5)
        assert (stale.status_code, stale.json()["status"]) == (412, "version-mismatch")
        again = session.post(f"{url}/api/dashboards/db", json=body | {"overwrite": True}, timeout=5)
        assert again.json()["version"] == 2
        assert session.delete(f"{url}/api/dashboards/uid/ledger", timeout=5).status_code == 200
        assert session.get(f"{url}/api/dashboards/uid/ledger", timeout=5).status_code == 404
    assert far_side.faults == []
