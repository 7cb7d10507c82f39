"""From submit to ready by a real worker against far sides on loopback, with the product's own steps."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from onboarding import engine
from onboarding.models import OnboardingRequest, OnboardingStep, TerraformState
from onboarding.provisioning.terraform import command
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.dev.far_sides.grafana import LocalGrafana
from orchestrator.dev.far_sides.pagerduty import LocalPagerDuty
from orchestrator.dev.far_sides.server import Trouble, serve
from orchestrator.dev.far_sides.terraform.cli_config import write_cli_config
from orchestrator.repos.models import Repo, RepoReadAccess, Token
from tests.flows.engine.stack import until
from tests.onboarding import counted_steps
from tests.onboarding.far_sides import FILES, SYSTEMS, TOKEN, HostScene, serve_host
from tests.onboarding.steps import ask_for
from tests.onboarding.worker_stack import CountedStore, describe_end, reach, running_worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
PAGERDUTY, GRAFANA = "u+token-of-pagerduty", "glsa_token-of-grafana"
SECOND = "acme/second"
SLOW_SECONDS = 8.0
"""How long a dashboard takes: the service beside it is there by then, and the lock of its state lasts on."""
# The whole apply is one: what happens inside of it is killed by the tests themselves.
_BY_TERRAFORM = {"infrastructure": 1, "undo-infrastructure": 1}
WRITES = {
    # The mark and the secret; tree, commit, branch and pull request; and the way back.
    "github": _BY_TERRAFORM
    | {"ci_credentials": 2, "blocks_files": 4, "undo-blocks_files": 2, "undo-ci_credentials": 2},
    # A variable with its mark; the branch with its commit, and the merge request; a deploy token, and the one
    # of the attempt that died in place of it; and the way back.
    "gitlab": _BY_TERRAFORM
    | {"ci_credentials": 1, "blocks_files": 2, "read_access": 2}
    | {"undo-blocks_files": 2, "undo-ci_credentials": 1, "undo-read_access": 1},
}
"""How often each step writes on a far side."""


@dataclass
class WholeScene:
    """GitHub, and both services where Terraform has its part."""

    hosted: HostScene
    pagerduty: LocalPagerDuty
    grafana: LocalGrafana

    def dump(self) -> dict[str, Any]:
        """Everything that any far side holds."""
        sides = {"host": self.hosted.far_side, "pagerduty": self.pagerduty, "grafana": self.grafana}
        return {name: json.loads(json.dumps(side.dump())) for name, side in sides.items()}

    def describe(self, request: OnboardingRequest) -> Any:
        """What is there for one request, without what differs by nature: secrets, names, shas."""
        there = self.hosted.far_side.dump()[request.code_host_path]
        is_github = self.hosted.kind == "github"
        services = [one for one in list(self.pagerduty.services.values()) if _names(one, request)]
        return {
            "branches": sorted(there["branches"]),
            "secrets": sorted(there["secrets" if is_github else "variables"]),
            "pulls": len(there["open_pulls" if is_github else "open_requests"]),
            "deploy_tokens": len(there.get("deploy_tokens", ())),
            "variables": sorted(there["variables"]),
            "integrations": [len(one["integrations"]) for one in services],
            "dashboards": sum(uid == request.repo_name for uid in list(self.grafana.dashboards)),
        }


def _names(service: dict[str, Any], request: OnboardingRequest) -> bool:
    return bool(service["name"] == f"blocks {request.repo_name}")


@pytest.fixture
def store(tmp_path) -> CountedStore:
    return CountedStore(tmp_path / "store")


@contextlib.contextmanager
def run_scene(
    settings: Any, folder: Path, store: CountedStore, *, kind: str = "github", **environment: str
) -> Iterator[WholeScene]:
    """A code host with two repos, both services, and a worker that is led there."""
    with serve_host(kind, settings, folder / "hosted") as hosted, contextlib.ExitStack() as around:
        host = hosted.far_side
        add = host.add_repository if kind == "github" else host.add_project
        second = add(SECOND, folder / "hosted")
        second.remote.commit_files("main", FILES)
        pagerduty, grafana = LocalPagerDuty(tokens={PAGERDUTY}), LocalGrafana(tokens={GRAFANA})
        environment |= {
            "GITHUB_API_URL": settings.GITHUB_API_URL,
            "GITHUB_TOKEN": TOKEN,
            "GITLAB_API_URL": settings.GITLAB_API_URL,
            "GITLAB_TOKEN": TOKEN,
            "PUBLIC_URL": settings.PUBLIC_URL,
            "CLONE_PRIVATE_HOSTS": "127.0.0.1",
            "PAGERDUTY_API_URL": around.enter_context(serve(pagerduty)),
            "PAGERDUTY_API_TOKEN": PAGERDUTY,
            "GRAFANA_URL": around.enter_context(serve(grafana)),
            "GRAFANA_TOKEN": GRAFANA,
            "STATE_DIR": str(folder / "state"),
        }
        with running_worker(folder / "logs", store, settings, **environment):
            yield WholeScene(hosted, pagerduty, grafana)
        assert pagerduty.faults == []
        assert grafana.faults == []


@pytest.fixture
def scene(settings, tmp_path, store, monkeypatch) -> Iterator[WholeScene]:
    """Without Terraform."""
    monkeypatch.setattr(PROVISIONING, "_members", dict(PROVISIONING._members))
    counted_steps.leave_out_terraform()
    with run_scene(settings, tmp_path, store, COUNTED_STEPS="product") as running:
        yield running


@pytest.fixture
def scene_at_gitlab(settings, tmp_path, store, monkeypatch) -> Iterator[WholeScene]:
    """Without Terraform."""
    monkeypatch.setattr(PROVISIONING, "_members", dict(PROVISIONING._members))
    counted_steps.leave_out_terraform()
    with run_scene(settings, tmp_path, store, kind="gitlab", COUNTED_STEPS="product") as running:
        yield running


@pytest.fixture
def scene_with_terraform(settings, tmp_path, store) -> Iterator[WholeScene]:
    """With the real Terraform, and the stand-ins of both providers."""
    config = write_cli_config(tmp_path)
    if command.shutil.which("terraform") is None or config is None:
        pytest.skip("terraform, or what its stand-ins need, is not on this machine")
    more = {"COUNTED_STEPS": "terraform", "TERRAFORM_CLI_CONFIG": str(config)}
    with run_scene(settings, tmp_path, store, **more) as running:
        yield running


def begin(path: str, kind: str = "github") -> OnboardingRequest:
    # Both at once, so that the lead has answered before the worker gets to the question.
    with transaction.atomic():
        given = {"code_host": kind, "code_host_path": path, "ci_system": SYSTEMS[kind]}
        # Of GitHub only an App gives that, and here is none.
        request = ask_for("", block_family="compliance", clones_privately=kind == "gitlab", **given)
        engine.approve(request.pk, actor="lead@example.org")
    return request


def test_from_submit_to_ready_each_step_once_and_in_order(scene):
    request = begin("acme/compliance-service")
    reach(request, "ready")
    request.refresh_from_db()
    took = request.ready_at - request.created_at
    # Shown by `-rP`, for those who want the figure.
    print(f"from submit to ready: {took.total_seconds():.2f} s")  # noqa: T201
    by_time = list(request.steps.order_by("started_at").values_list("name", "attempt", "status"))
    assert by_time == [(name, 1, "passed") for name in (*CHECKS, *PROVISIONING)]


def list_places(names: list[str], kind: str) -> list[str]:
    """Where a worker can die: before anything, before each write, before the answer is written, after it."""
    places = []
    for name in names:
        places += [f"{name}-{point}" for point in ("start", "end", "after")]
        places += [f"{name}-middle-{number}" for number in range(1, WRITES[kind].get(name, 0) + 1)]
    return places


@pytest.mark.slow
def test_killed_at_every_place_of_every_step_of_the_product(scene, store):
    check_kills(scene, store)


@pytest.mark.slow
def test_killed_at_every_place_of_every_step_at_gitlab(scene_at_gitlab, store):
    check_kills(scene_at_gitlab, store)


@pytest.mark.slow
def test_killed_at_every_place_of_every_step_with_terraform(scene_with_terraform, store):
    check_kills(scene_with_terraform, store, during_terraform=kill_during_terraform)


def check_kills(
    scene: WholeScene, store: CountedStore, *, during_terraform: Callable[..., None] | None = None
) -> None:
    """The end is that of a smooth run, and after the undo everything is as it was before."""
    before, kind = scene.dump(), scene.hosted.kind
    smooth = begin("acme/compliance-service", kind)
    reach(smooth, "ready")
    places = list_places([*CHECKS, *PROVISIONING], kind)
    store.kill_at(*places)
    if during_terraform:
        scene.grafana.troubles.append(make_slow("POST", "/dashboards/db$"))
    killed = begin(SECOND, kind)
    if during_terraform:
        during_terraform(store, lambda: scene.describe(killed)["integrations"] == [1])
        reach_step(killed, "provision", "infrastructure")
    reach(killed, "ready")
    until(lambda: not store.list_kills_left(), "a death at every place")
    assert scene.describe(killed) == scene.describe(smooth)
    steps = [(kind, name, status) for kind, name, status, _ in describe_end(killed)]
    assert steps == [(kind, name, status) for kind, name, status, _ in describe_end(smooth)]
    for request in (smooth, killed):
        repo = Repo.objects.get(name=request.repo_name)
        assert Token.objects.filter(repo=repo, revoked_at=None).count() == 1
        assert RepoReadAccess.objects.filter(repo=repo).count() == (kind == "gitlab")

    undone = list_places([f"undo-{name}" for name in PROVISIONING], kind)
    store.kill_at(*undone)
    if during_terraform:
        scene.grafana.troubles.append(make_slow("DELETE", "/second$"))
    engine.offboard(killed.pk, actor="kim")
    if during_terraform:
        during_terraform(store, lambda: scene.describe(killed)["integrations"] == [])
        reach_step(killed, "undo", "infrastructure")
    reach(killed, "offboarded")
    until(lambda: not store.list_kills_left(), "a death at every place")
    engine.offboard(smooth.pk, actor="kim")
    reach(smooth, "offboarded")
    assert scene.dump() == before
    assert not Token.objects.filter(revoked_at=None).exists()
    assert not TerraformState.objects.exists()
    assert not RepoReadAccess.objects.exists()
    deaths = len(places) + len(undone) + 2 * bool(during_terraform)
    print(f"killed {deaths} times")  # noqa: T201


def make_slow(method: str, path: str) -> Trouble:
    return Trouble(seconds=SLOW_SECONDS, method=method, path=path)


def reach_step(request: OnboardingRequest, kind: str, name: str) -> None:
    step = OnboardingStep.objects.filter(request=request, kind=kind, name=name, status="passed")
    until(step.exists, f"the end of {name}")


def kill_during_terraform(store: CountedStore, half_done: Callable[[], bool]) -> None:
    """kill -9 of the worker once the service is done and the dashboard is not: Terraform dies with it."""
    until(half_done, "half of what Terraform does")
    worker = store.read_worker()
    runs = list_terraform(worker)
    assert runs, "Terraform has ended already"
    os.kill(worker, signal.SIGKILL)
    until(lambda: not any(_is_alive(pid) for pid in runs), "the end of Terraform")


def list_terraform(worker: int) -> list[int]:
    """The processes of Terraform that a worker has started."""
    found = []
    for path in Path(f"/proc/{worker}/task").glob("*/children"):
        for pid in path.read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "terraform":
                    found.append(int(pid))
    return found


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    # Its state comes after the name, which may hold spaces. Z: dead, and nobody has asked for its end yet.
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_deploy_in_the_middle_of_the_apply(scene_with_terraform, store):
    scene, before = scene_with_terraform, scene_with_terraform.dump()
    scene.grafana.troubles.append(make_slow("POST", "/dashboards/db$"))
    request = begin(SECOND)
    until(lambda: scene.describe(request)["integrations"] == [1], "half of what Terraform does")
    old = store.read_worker()
    assert list_terraform(old)
    # What Kubernetes does: the old worker is asked to end, and a new one is there.
    asked = time.monotonic()
    os.kill(old, signal.SIGTERM)
    until(lambda: store.read_worker() != old, "the new worker")
    print(f"the old worker was gone after {time.monotonic() - asked:.1f} s")  # noqa: T201
    reach(request, "ready")
    assert scene.describe(request) == {
        "branches": ["refs/heads/blocks/onboarding", "refs/heads/main"],
        "secrets": ["BLOCKS_TOKEN"],
        "pulls": 1,
        "deploy_tokens": 0,
        "variables": ["BLOCKS_ONBOARDING"],
        "integrations": [1],
        "dashboards": 1,
    }
    engine.offboard(request.pk, actor="kim")
    reach(request, "offboarded")
    assert scene.dump() == before
