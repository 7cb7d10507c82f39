"""The real Terraform, our module, and stand-in providers against PagerDuty and Grafana on loopback."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from onboarding import drift
from onboarding.models import TerraformState
from onboarding.provisioning.infrastructure import STEP
from onboarding.provisioning.terraform import command, states, workspace
from onboarding.provisioning.terraform.adoption import build_uid
from onboarding.provisioning.terraform.workspace import open_workspace, summarise_plan
from onboarding.step_protocol import FarSideTrouble, Passed, Refused, StepTakenOver, Waiting
from orchestrator.dev.far_sides.grafana import LocalGrafana
from orchestrator.dev.far_sides.pagerduty import LocalPagerDuty
from orchestrator.dev.far_sides.server import Trouble, serve
from orchestrator.dev.far_sides.terraform.cli_config import write_cli_config
from orchestrator.flows.evidence.store import content_key, current_store
from tests.onboarding.far_sides import make_context

ROOT = Path(__file__).resolve().parents[3]
REPO = "compliance-service"
PAGERDUTY, GRAFANA = "u+token-of-pagerduty", "glsa_token-of-grafana"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(command.shutil.which("terraform") is None, reason="terraform is not on this machine"),
]


@dataclass
class TerraformScene:
    """Both services, and what a step is told of them."""

    pagerduty: LocalPagerDuty
    grafana: LocalGrafana
    lines: list[str] = field(default_factory=list)

    def run(self, **facts: Any) -> Any:
        return STEP.run(make_context(self.lines, **facts))

    def undo(self, **facts: Any) -> Any:
        return STEP.undo(make_context(self.lines, **facts))

    def dump(self) -> dict[str, Any]:
        return {"pagerduty": self.pagerduty.dump(), "grafana": self.grafana.dump()}


@pytest.fixture
def scene(settings, tmp_path: Path) -> Iterator[TerraformScene]:
    config = write_cli_config(tmp_path)
    if config is None:
        pytest.skip("the environment of requirements-terraform.txt cannot be installed here")
    settings.TERRAFORM_CLI_CONFIG = str(config)
    settings.STATE_DIR = tmp_path / "state"
    made = TerraformScene(LocalPagerDuty(tokens={PAGERDUTY}), LocalGrafana(tokens={GRAFANA}))
    with serve(made.pagerduty) as pagerduty, serve(made.grafana) as grafana:
        settings.PAGERDUTY_API_URL, settings.PAGERDUTY_API_TOKEN = pagerduty, PAGERDUTY
        settings.GRAFANA_URL, settings.GRAFANA_TOKEN = grafana, GRAFANA
        yield made
    assert made.pagerduty.faults == []
    assert made.grafana.faults == []


def find_dashboard(scene: TerraformScene) -> dict[str, Any]:
    return scene.grafana.dashboards[REPO]["model"]


@pytest.mark.slow
def test_both_objects_are_made_once_and_taken_back(scene):
    theirs = {"uid": "theirs", "title": "Theirs"}
    scene.grafana.dashboards["theirs"] = {"model": theirs | {"id": 99}, "folder": "", "version": 3}
    before = scene.dump()
    answer = scene.run()
    assert isinstance(answer, Passed), answer
    (service,) = scene.pagerduty.services.values()
    assert service["name"] == "blocks compliance-service"
    assert [one["type"] for one in service["integrations"]] == ["events_api_v2_inbound_integration"]
    assert "managed-by: multi-llm-orchestrator ONB-7K3QF" in service["description"]
    # The runbook's address of the dashboard, with the panels of the shared one for this repo.
    assert answer.outputs["dashboard_url"].endswith(f"/d/{REPO}")
    assert find_dashboard(scene)["title"] == "Blocks: compliance-service"
    assert len(find_dashboard(scene)["panels"]) > 3
    variables = {one["name"]: one for one in find_dashboard(scene)["templating"]["list"]}
    assert variables["repo"]["query"] == REPO
    made = scene.dump()
    again = scene.run()
    assert (again.outputs["created"], again.outputs["adopted"]) == (0, 0)
    assert scene.dump() == made
    check_that_nothing_leaked(scene, answer)
    check_drift(scene)
    gone = scene.undo()
    assert isinstance(gone, Passed), gone
    assert scene.dump() == before
    assert not TerraformState.objects.exists()
    assert scene.undo().outputs == {"destroyed": 0}


def check_that_nothing_leaked(scene: TerraformScene, answer: Passed) -> None:
    (service,) = scene.pagerduty.services.values()
    secrets = [PAGERDUTY, GRAFANA, service["integrations"][0]["integration_key"]]
    row = TerraformState.objects.get()
    summary = current_store().get(content_key(answer.outputs["plan_sha256"]))
    plan = current_store().get(content_key(answer.outputs["plan_file_sha256"]))
    kept = [
        bytes(row.sealed or b""),
        json.dumps(row.variables).encode(),
        summary,
        plan,
        json.dumps(answer.outputs).encode(),
        "\n".join(scene.lines).encode(),
    ]
    for secret in secrets:
        for text in kept:
            assert secret.encode() not in text
    # The state does hold the integration key, which is why it is sealed; the credentials are not even there.
    held = states.hold_state(REPO, "test")
    states.release_hold(held)
    assert secrets[2].encode() in held.content
    assert PAGERDUTY.encode() not in held.content
    assert GRAFANA.encode() not in held.content
    actions = {one["address"]: one["actions"] for one in json.loads(summary or b"")["resource_changes"]}
    assert actions == {
        "pagerduty_service.repo": ["create"],
        "pagerduty_service_integration.events": ["create"],
        "grafana_dashboard.repo": ["create"],
    }


def check_drift(scene: TerraformScene) -> None:
    """The nightly plan: nothing, then what somebody has changed and deleted; and a run makes it good."""
    state = TerraformState.objects.get()
    assert drift.check_drift(state.pk) is None, "it is not due"
    TerraformState.objects.update(written_at="2026-01-01T00:00:00Z")
    assert drift.check_drift(state.pk) == []
    TerraformState.objects.update(drift_checked_at="2026-01-02T00:00:00Z")
    del scene.grafana.dashboards[REPO]
    next(iter(scene.pagerduty.services.values()))["description"] = "somebody has written this"
    changed = ["grafana_dashboard.repo", "pagerduty_service.repo"]
    assert drift.check_drift(state.pk) == changed
    state.refresh_from_db()
    assert state.drift == changed
    assert REPO not in scene.grafana.dashboards, "a plan changes nothing"


@pytest.mark.slow
def test_a_lost_state_is_built_again_and_nothing_is_made_twice(scene):
    scene.run()
    made = scene.dump()
    TerraformState.objects.all().delete()
    answer = scene.run()
    assert (answer.outputs["created"], answer.outputs["adopted"]) == (0, 3)
    assert scene.dump() == made
    # Lost again, and now taken back: the marks are enough.
    TerraformState.objects.all().delete()
    scene.undo()
    assert (scene.pagerduty.services, scene.grafana.dashboards) == ({}, {})


@pytest.mark.slow
def test_a_lost_answer_in_the_apply_leaves_one_of_each(scene):
    # Both are asked side by side, so each may be lost in the same apply.
    scene.pagerduty.troubles.append(Trouble(lost=True, method="POST", path="/services$"))
    scene.grafana.troubles.append(Trouble(lost=True, method="POST", path="/dashboards/db$"))
    with pytest.raises(FarSideTrouble):
        scene.run()
    assert len(scene.pagerduty.services) == 1
    scene.grafana.troubles.clear()
    answer = scene.run()
    assert isinstance(answer, Passed), answer
    assert len(scene.pagerduty.services) == len(scene.grafana.dashboards) == 1
    assert len(next(iter(scene.pagerduty.services.values()))["integrations"]) == 1


@pytest.mark.parametrize("trouble", [Trouble(status=500), Trouble(status=429, retry_after=9)])
def test_an_outage_is_trouble_before_anything_is_made(scene, trouble):
    scene.pagerduty.troubles.append(trouble)
    with pytest.raises(FarSideTrouble) as raised:
        scene.run()
    assert raised.value.retry_after_seconds == (9 if trouble.retry_after else None)
    assert scene.dump()["pagerduty"] == {}


def test_objects_of_others_are_never_taken_over(scene):
    scene.pagerduty.services["PX"] = {
        "id": "PX",
        "name": "blocks compliance-service",
        "description": "ours for years",
        "escalation_policy": {"id": "PPOLICY"},
        "integrations": [],
    }
    before = scene.dump()
    answer = scene.run()
    assert isinstance(answer, Refused)
    assert "not from this onboarding" in answer.reason
    assert isinstance(scene.undo(), Refused)
    assert scene.dump() == before


def test_a_held_state_is_waited_for_and_a_stale_one_writes_nothing(scene):
    held = states.hold_state(REPO, "another worker")
    answer = scene.run()
    assert isinstance(answer, Waiting)
    assert "another worker" in answer.reason
    # Its lease is over, and somebody else has written.
    TerraformState.objects.update(held_until="2026-01-01T00:00:00Z")
    newer = states.hold_state(REPO, "a third")
    states.write_state(newer, b"{}")
    for stale in (lambda: states.write_state(held, b"old"), lambda: states.renew_hold(held)):
        with pytest.raises(states.StateTakenOver):
            stale()
    states.release_hold(held)
    assert TerraformState.objects.get().held_by == "a third"
    with pytest.raises(states.StateTakenOver):
        states.write_state(newer, b"twice from the same version")


def test_a_worker_that_loses_its_step_stops_terraform(scene, monkeypatch):
    monkeypatch.setattr(command, "_RENEW_SECONDS", 0.1)
    asked = []

    def taken() -> None:
        asked.append(1)
        raise StepTakenOver("another attempt")

    context = make_context(scene.lines, still_ours=taken)
    with pytest.raises(StepTakenOver):
        STEP.run(context)
    assert asked == [1]
    assert scene.dump()["pagerduty"] == {}
    assert TerraformState.objects.get().held_token is None


def test_terraform_is_missing(scene, settings):
    settings.TERRAFORM_BIN = "/nowhere/terraform"
    with pytest.raises(command.TerraformMissing) as missing:
        scene.run()
    assert "TERRAFORM_BIN" in missing.value.cure
    assert not TerraformState.objects.exists()
    assert scene.pagerduty.asked == []


def test_without_access_nothing_is_tried(scene, settings):
    settings.GRAFANA_TOKEN = ""
    answer = scene.run()
    assert isinstance(answer, Refused)
    assert "GRAFANA_TOKEN" in answer.cure


def test_the_environment_and_the_folder_are_closed_to_others(scene, settings, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://marked")
    seen = command._build_environment(Path("/x"))
    assert "marked" not in str(seen)
    assert {"CHECKPOINT_DISABLE", "TF_IN_AUTOMATION", "PAGERDUTY_TOKEN"} <= set(seen)
    assert not any(name.startswith(("SECRET", "GITHUB", "DATABASE", "REDIS")) for name in seen)
    with open_workspace(lambda: None) as workspace:
        workspace.prepare({"repo_name": REPO, "team_lead": "x"}, b"{}")
        assert stat.S_IMODE(workspace.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((workspace.folder / "terraform.tfstate").stat().st_mode) == 0o600
    assert not workspace.folder.exists()


def test_the_folder_of_a_killed_worker_is_removed_and_that_of_a_live_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace.tempfile, "tempdir", str(tmp_path))
    script = (
        "import django, os, signal; django.setup()\n"
        "from onboarding.provisioning.terraform.workspace import open_workspace\n"
        "with open_workspace(lambda: None) as workspace:\n"
        "    (workspace.folder / 'terraform.tfstate').write_text('a key')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "orchestrator.settings"}
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    long_ago = time.time() - 3600
    with open_workspace(lambda: None) as living:
        for folder in (left, living.folder):
            os.utime(folder, (long_ago, long_ago))
        assert workspace.remove_abandoned_folders() == 1
        assert list(tmp_path.iterdir()) == [living.folder]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ledger", "a.b", "x" * 41, "x" * 100, "team_x-1"])
def test_a_uid_is_what_grafana_takes(name):
    assert 0 < len(build_uid(name)) <= 40
    assert "." not in build_uid(name)


def test_a_plan_is_shown_without_what_opens_something():
    change = {"actions": ["update"], "before": {"integration_key": "k", "name": "n"}, "after": None}
    shown = summarise_plan({"resource_changes": [{"address": "a", "change": change}]})
    assert shown["resource_changes"][0]["before"] == {"integration_key": "[REDACTED]", "name": "n"}


@pytest.mark.slow
def test_a_worker_killed_in_the_apply_is_continued(scene, settings, tmp_path):
    """kill -9 while Terraform has made the service and waits for the dashboard."""
    scene.grafana.troubles.append(Trouble(seconds=30, method="POST", path="/dashboards/db$"))
    script = textwrap.dedent(
        f"""
        import django
        django.setup()
        from django.conf import settings
        settings.TERRAFORM_CLI_CONFIG = {settings.TERRAFORM_CLI_CONFIG!r}
        settings.PAGERDUTY_API_URL = {settings.PAGERDUTY_API_URL!r}
        settings.PAGERDUTY_API_TOKEN = {PAGERDUTY!r}
        settings.GRAFANA_URL, settings.GRAFANA_TOKEN = {settings.GRAFANA_URL!r}, {GRAFANA!r}
        from onboarding.provisioning.infrastructure import STEP
        from tests.onboarding.far_sides import make_context
        STEP.run(make_context([]))
        """
    )
    database = settings.DATABASES["default"]
    address = f"postgres://{database['USER']}:{database['PASSWORD']}@/{database['NAME']}"
    url = f"{address}?host={database['HOST']}&port={database['PORT']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "orchestrator.settings"}
    environment |= {"SECRET_KEY": settings.SECRET_KEY, "STATE_DIR": str(settings.STATE_DIR)}
    worker = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, start_new_session=True
    )
    until = time.monotonic() + 60
    while not any(one["integrations"] for one in list(scene.pagerduty.services.values())):
        assert worker.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert isinstance(scene.run(), Waiting), "its lock lasts for some seconds"
    TerraformState.objects.update(held_until="2026-01-01T00:00:00Z")
    scene.grafana.troubles.clear()
    answer = scene.run()
    assert isinstance(answer, Passed), answer
    assert answer.outputs["adopted"] >= 2
    assert len(scene.pagerduty.services) == len(scene.grafana.dashboards) == 1
    assert len(next(iter(scene.pagerduty.services.values()))["integrations"]) == 1
    scene.undo()
    assert (scene.pagerduty.services, scene.grafana.dashboards) == ({}, {})
