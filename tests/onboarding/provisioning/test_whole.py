"""A whole onboarding through the engine: the launch runbook's four claims, and the way back."""

import json
import logging
import time

import pytest

from onboarding import engine
from onboarding.models import OnboardingRequest, OnboardingStep
from onboarding.provisioning.infrastructure import STEP as INFRASTRUCTURE
from onboarding.provisioning.terraform import command
from onboarding.provisioning.terraform.states import read_integration_key
from onboarding.step_protocol import Passed
from orchestrator.dev.far_sides.grafana import LocalGrafana
from orchestrator.dev.far_sides.pagerduty import LocalPagerDuty
from orchestrator.dev.far_sides.server import Trouble, serve
from orchestrator.dev.far_sides.terraform.cli_config import write_cli_config
from orchestrator.repos.models import Repo
from orchestrator.repos.tokens import find_token
from tests.onboarding.far_sides import PATH, SYSTEMS
from tests.onboarding.steps import ask_for, run_due_steps

pytestmark = [pytest.mark.django_db(transaction=True)]
CLAIMS = (".blocks/ directory in repo", "CI secrets (API keys)", "PagerDuty integration", "Grafana dashboard")
"""What the launch runbook says that `terraform apply` creates."""
NAME = "compliance-service"
log = logging.getLogger(__name__)


@pytest.fixture
def services(hosted, settings, tmp_path):
    """All four far sides, and settings that lead to them."""
    pagerduty, grafana = LocalPagerDuty(tokens={"u+pagerduty"}), LocalGrafana(tokens={"glsa_grafana"})
    settings.STATE_DIR = tmp_path / "state"
    settings.ENGINE_BACKOFF_SECONDS = 0
    with serve(pagerduty) as pagerduty_url, serve(grafana) as grafana_url:
        settings.PAGERDUTY_API_URL, settings.PAGERDUTY_API_TOKEN = pagerduty_url, "u+pagerduty"
        settings.GRAFANA_URL, settings.GRAFANA_TOKEN = grafana_url, "glsa_grafana"
        yield {"host": hosted.far_side, "pagerduty": pagerduty, "grafana": grafana}
    assert pagerduty.faults == []
    assert grafana.faults == []


def dump(services) -> dict[str, str]:
    return {name: json.dumps(side.dump(), sort_keys=True) for name, side in services.items()}


def onboard(hosted, **given) -> OnboardingRequest:
    """From the request to its end, approval included."""
    request = ask_for(
        NAME,
        code_host=hosted.kind,
        code_host_path=PATH,
        ci_system=SYSTEMS[hosted.kind],
        block_family="compliance",
        **given,
    )
    run_due_steps()
    engine.approve(request.pk, actor="lead@example.org")
    run_due_steps()
    request.refresh_from_db()
    return request


def list_answers(request: OnboardingRequest) -> list[tuple[str, str, str]]:
    return [(step.name, step.status, step.reason) for step in request.steps.order_by("position")]


@pytest.mark.skipif(command.shutil.which("terraform") is None, reason="terraform is not on this machine")
def test_the_four_claims_of_the_runbook_and_the_way_back(hosted, services, settings, tmp_path):
    config = write_cli_config(tmp_path)
    if config is None:
        pytest.skip("the environment of requirements-terraform.txt cannot be installed here")
    settings.TERRAFORM_CLI_CONFIG = str(config)
    hosted.there.protected = {"main"}
    before = dump(services)
    request = onboard(hosted)
    assert request.status == "ready", list_answers(request)
    branch = hosted.remote.list_files("blocks/onboarding")
    secret = hosted.secrets["BLOCKS_TOKEN"]
    shown = {
        CLAIMS[0]: {".blocks/config.yml", ".blocks/catalog/.gitkeep", ".blocks/schemas/.gitkeep"}
        <= set(branch),
        CLAIMS[1]: find_token(secret).repo.name == NAME,
        CLAIMS[2]: [one["name"] for one in services["pagerduty"].services.values()] == [f"blocks {NAME}"],
        CLAIMS[3]: list(services["grafana"].dashboards) == [NAME],
    }
    assert shown == dict.fromkeys(CLAIMS, True)
    # What pages the repo's own service is read from the state that the real Terraform has written.
    (service,) = services["pagerduty"].services.values()
    assert read_integration_key(NAME) == service["integrations"][0]["integration_key"]
    # No page shows what opens something: outputs and logs of all steps.
    kept = str(list(OnboardingStep.objects.values("outputs", "log", "reason")))
    for token in (secret, "u+pagerduty", "glsa_grafana", settings.GITHUB_TOKEN, read_integration_key(NAME)):
        assert token not in kept
    engine.offboard(request.pk, actor="sre")
    run_due_steps()
    request.refresh_from_db()
    assert request.status == "offboarded", list_answers(request)
    assert dump(services) == before
    assert not Repo.objects.get(name=NAME).enabled


def test_an_undo_that_fails_is_a_state_with_its_own_retry(hosted, services, monkeypatch):
    leave_out_terraform(monkeypatch)
    before = dump(services)
    request = onboard(hosted)
    assert request.status == "ready", list_answers(request)
    hosted.there.archived = True
    engine.offboard(request.pk, actor="sre")
    run_due_steps()
    request.refresh_from_db()
    assert request.status == "undo_failed"
    (failed,) = request.steps.filter(kind="undo", status="failed")
    assert failed.cure
    hosted.there.archived = False
    engine.retry(request.pk, actor="sre")
    run_due_steps()
    request.refresh_from_db()
    assert request.status == "offboarded"
    assert dump(services) == before


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(status=500, times=2),
        Trouble(status=429, retry_after=0, times=2),
        Trouble(lost=True, method="POST"),
        Trouble(lost=True, method="PUT"),
        Trouble(seconds=0.3, times=3),
    ],
    ids=["500", "429", "lost-post", "lost-put", "slow"],
)
def test_trouble_of_the_code_host_leaves_one_of_each(hosted, services, monkeypatch, trouble):
    leave_out_terraform(monkeypatch)
    hosted.far_side.troubles.append(trouble)
    started = time.monotonic()
    request = onboard(hosted)
    # A fault of the far side is tried again by the engine, after a pause.
    until = time.monotonic() + 30
    while request.status != "ready" and time.monotonic() < until:
        time.sleep(0.05)
        run_due_steps()
        request.refresh_from_db()
    log.info("%s in %.1f s", trouble, time.monotonic() - started)
    assert request.status == "ready", list_answers(request)
    requests = hosted.there.pulls if hosted.kind == "github" else hosted.there.merge_requests
    assert len(requests) == 1
    assert find_token(hosted.secrets["BLOCKS_TOKEN"]).status == "live"


def leave_out_terraform(monkeypatch) -> None:
    """Its own tests run it; here it would take most of the time."""
    for name in ("run", "undo"):
        monkeypatch.setattr(type(INFRASTRUCTURE), name, lambda self, context: Passed({}))
