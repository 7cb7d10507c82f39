"""What bad input gets: a clear error with a stable code, and nothing half-written anywhere."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.dev import demo, embedded, stack
from tests.acceptance.product import CLOSED_REPO, Product
from tests.acceptance.scenarios import FORBIDDEN, GARBAGE, PATTERN

REPO = demo.find_sample_repo(PATTERN)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def work(product: Product, tmp_path: Path) -> Path:
    return product.checkout(PATTERN, tmp_path)


def files_of(work: Path) -> list[Path]:
    """What is under .blocks beside its configuration."""
    return [
        path
        for path in (work / ".blocks").rglob("*")
        if path.is_file() and path.name not in {"config.yml", ".gitkeep", ".gitattributes"}
    ]


def assert_nothing_half_written(product: Product, work: Path, flow: dict[str, Any]) -> None:
    """No file of a block, no open stage, attempt or call, no block: the flow has ended, and so has all that
    it began.
    """
    assert files_of(work) == []
    named = (flow["id"],)
    assert product.rows("SELECT 1 FROM flows_block WHERE flow_id = %s", *named) == []
    open_stages = (
        "SELECT kind, status FROM flows_stage "
        "WHERE flow_id = %s AND status IN ('pending', 'ready', 'running', 'waiting')"
    )
    assert product.rows(open_stages, *named) == []
    open_attempts = (
        "SELECT a.id FROM flows_attempt a JOIN flows_stage s ON s.id = a.stage_id "
        "WHERE s.flow_id = %s AND a.finished_at IS NULL"
    )
    assert product.rows(open_attempts, *named) == []
    assert (
        product.rows(
            "SELECT id FROM providers_providercall WHERE flow_id = %s AND settled_at IS NULL", *named
        )
        == []
    )
    assert product.rows("SELECT id FROM flows_flow WHERE id = %s AND finished_at IS NOT NULL", *named) != []


def refused(product: Product, body: Any, **where: str) -> tuple[int, dict[str, Any]]:
    """What the API answers to a flow that it refuses; no part of the flow is stored."""
    before = product.rows("SELECT count(*) AS n FROM flows_flow")
    status, problem = product.post("flows/", body, **where)
    assert product.rows("SELECT count(*) AS n FROM flows_flow") == before
    assert problem["detail"]
    return status, problem


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"feature_request": " \n"}, 422, "flow:empty-request"),
        ({"feature_request": "# Big\n" + "x" * 65536}, 413, "flow:request-too-large"),
        ({"repo": "no-such-repo"}, 404, "repo:unknown"),
        ({"repo": CLOSED_REPO}, 403, "repo:disabled"),
        ({"flow_type": "yolo"}, 422, "flow:unknown-type"),
    ],
)
def test_the_service_refuses(product: Product, change: dict[str, str], status: int, code: str) -> None:
    found, problem = refused(product, {"repo": REPO, "feature_request": "# A feature\n"} | change)
    assert (found, problem["code"]) == (status, code)
    assert problem["cure"]


def test_the_service_refuses_what_is_not_utf8(product: Product) -> None:
    status, problem = refused(product, b'{"repo": "%s", "feature_request": "# caf\xe9"}' % REPO.encode())
    assert status == 400
    assert problem["code"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b" \n", "flow:empty-request"),
        (b"x" * 65537, "flow:request-too-large"),
        (b"# caf\xe9", "request:not-utf8"),
    ],
)
def test_the_command_line_refuses_before_anything_is_sent(
    product: Product, work: Path, content: bytes, code: str
) -> None:
    (work / "feature_request.md").write_bytes(content)
    exit_code, answer = product.run(work, REPO)
    assert (exit_code, answer["error"]["code"]) == (2, code)
    assert answer["error"]["cure"]
    assert files_of(work) == []


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("--repo", "no-such-repo"), 2, "repo:unknown"),
        (("--repo", CLOSED_REPO), 4, "repo:disabled"),
        (("--repo", REPO, "--flow-type", "yolo"), 2, "flow:unknown-type"),
    ],
)
def test_the_command_line_passes_a_refusal_on(
    product: Product, work: Path, words: tuple[str, ...], exit_code: int, code: str
) -> None:
    done = product.blocks(work, "flow", "run", "--input", "feature_request.md", *words, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (exit_code, code)
    assert error["cure"]
    assert "Traceback" not in done.stderr


def test_an_unknown_model_is_refused(product: Product, work: Path) -> None:
    done = product.blocks(work, "config", "set", "architect.model", "gpt-9-imaginary", "--repo", REPO)
    assert done.returncode == 2
    assert "gpt-9-imaginary" in done.stderr
    assert "cure:" in done.stderr


def test_a_missing_key_is_for_the_operator_to_fix(product: Product) -> None:
    port = str(embedded.find_free_port())
    keyless = stack.Stack(
        product.stack.values | {"PORT": port, "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, product.folder
    )
    url = f"http://127.0.0.1:{port}"
    try:
        keyless.start("web", stack.read_procfile()["web"])
        keyless.wait_until(lambda: stack.is_answering(f"{url}/ready"), name="web")
        status, problem = refused(product, {"repo": REPO, "feature_request": "# A feature\n"}, url=url)
    finally:
        keyless.stop()
    assert (status, problem["code"]) == (503, "provider:missing-key")
    assert "OPENAI_API_KEY" in problem["cure"]


def test_a_bundle_over_the_limit_with_pruning_off(product: Product, work: Path) -> None:
    for number in range(18):
        (work / f"large_{number}.py").write_text(
            "VALUE = 'a line of a large module'\n" * 1000, encoding="utf-8"
        )
    assert (
        product.blocks(work, "config", "set", "context.pruning.enabled", "false", "--repo", REPO).returncode
        == 0
    )
    try:
        exit_code, flow = product.run(work, REPO)
    finally:
        product.blocks(work, "config", "set", "context.pruning.enabled", "true", "--repo", REPO)
    assert (exit_code, flow["status"]) == (1, "failed")
    assert "Context bundle exceeds 500KB" in flow["error"]["message"]
    assert (
        "CONTEXT_PRUNING_ENABLED" in flow["error"]["cure"]
        or "context.pruning.enabled" in flow["error"]["cure"]
    )
    assert float(flow["cost_usd"]) == 0
    assert_nothing_half_written(product, work, flow)


@pytest.mark.parametrize(
    ("scenario", "code"), [(GARBAGE, "answer:unparseable"), (FORBIDDEN, "answer:forbidden-path")]
)
def test_an_answer_that_nothing_can_be_made_of(
    product: Product, tmp_path: Path, scenario: str, code: str
) -> None:
    work = product.checkout(scenario, tmp_path)
    exit_code, flow = product.run(work, REPO)
    assert (exit_code, flow["status"], flow["error"]["code"]) == (1, "failed", code)
    assert flow["error"]["cure"]
    assert_nothing_half_written(product, work, flow)
    calls = product.rows("SELECT status FROM providers_providercall WHERE flow_id = %s", flow["id"])
    assert len(calls) >= 3  # context, plan and the answer that was paid for: kept, not lost


def test_an_answer_cut_in_the_wire_fails_the_flow_and_a_retry_passes(product: Product, work: Path) -> None:
    product.simulate("openai", {"kind": "malformed"})
    try:
        exit_code, flow = product.run(work, REPO)
    finally:
        product.simulate("openai")
    assert (exit_code, flow["status"]) == (1, "failed")
    assert flow["error"]["code"].startswith("provider:")
    assert flow["error"]["cure"]
    assert_nothing_half_written(product, work, flow)
    calls = product.rows("SELECT cost_usd FROM providers_providercall WHERE flow_id = %s", flow["id"])
    assert len(calls) > 4
    assert Decimal(flow["cost_usd"]) == sum(call["cost_usd"] for call in calls) < Decimal("0.5")
    assert product.blocks(work, "flow", "retry", flow["id"]).returncode == 0
    again = product.blocks(work, "flow", "follow", flow["id"], "--json")
    assert again.returncode == 0, again.stdout
    assert Path(json.loads(again.stdout)["block_path"]).is_dir()


def test_a_request_that_no_sample_knows_names_the_samples_and_the_keys(product: Product, work: Path) -> None:
    (work / "feature_request.md").write_text("# Tea timer\n\nRings after four minutes.\n", encoding="utf-8")
    exit_code, flow = product.run(work, REPO)
    assert (exit_code, flow["status"]) == (1, "failed")
    said = flow["error"]["message"] + flow["error"]["cure"]
    assert "compliance-service" in said
    assert "ANTHROPIC_API_KEY" in said
    assert_nothing_half_written(product, work, flow)
