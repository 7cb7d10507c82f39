"""A whole flow over real workers is one trace, from the request to the last statement."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.dev import demo
from orchestrator.dev.collector import CollectedSpan
from tests.acceptance.product import Product
from tests.acceptance.test_samples import QUICK

pytestmark = pytest.mark.timeout(600)
STAGES = ("context", "plan", "implement", "verify", "review", "docs", "seal")
GATES = ("contract", "coverage", "mutation", "security")
SERVER, CLIENT, CONSUMER = 2, 3, 5
PATIENCE_SECONDS = 60.0


def wait_for_trace(product: Product, trace_id: str) -> list[CollectedSpan]:
    """The spans of a trace, once those that end last have come."""
    wanted = {"orchestrator_flow", "stage seal", "POST /api/v1/flows/", *(f"gate {gate}" for gate in GATES)}
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        spans = product.collector.of_trace(trace_id)
        if wanted <= {span.name for span in spans}:
            # A process sends about once a second; those before the last ones have arrived or come with them.
            known = {span.span_id for span in spans}
            if all(span.parent_id in known or not span.parent_id for span in spans):
                return spans
        time.sleep(0.2)
    raise AssertionError(Counter(span.name for span in product.collector.of_trace(trace_id)))


def test_a_flow_is_one_connected_trace(product: Product, tmp_path: Path) -> None:
    work = product.checkout(QUICK, tmp_path)
    _, flow = product.run(work, demo.find_sample_repo(QUICK))
    (row,) = product.rows("SELECT trace_parent FROM flows_flow WHERE id = %s", flow["id"])
    spans = wait_for_trace(product, row["trace_parent"][3:35])
    named = {span.name: span for span in spans}
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)

    # One root, and every other span hangs from another one.
    (root,) = [span for span in spans if not span.parent_id]
    assert (root.name, root.kind) == ("POST /api/v1/flows/", SERVER)
    whole = named["orchestrator_flow"]
    assert by_id[by_id[whole.parent_id].parent_id] == root
    assert whole.attributes["flow_type"] == flow["flow_type"]
    assert whole.attributes["flow.status"] == "passed"

    # Celery: each stage on its queue, below the flow.
    for kind in STAGES:
        stage = named[f"stage {kind}"]
        assert (stage.parent_id, stage.kind) == (whole.span_id, CONSUMER)
        assert whole.start <= stage.start <= stage.end
    assert named["stage verify"].attributes["messaging.destination.name"] == "gates"

    # The vendors: GenAI conventions, with the tokens of the ledger.
    calls = [span for span in spans if span.name.startswith("chat ")]
    ledger = product.rows("SELECT * FROM providers_providercall WHERE flow_id = %s", flow["id"])
    assert len(calls) == len(ledger) >= 5
    tokens = {str(call["id"]): call["output_tokens"] + call["reasoning_tokens"] for call in ledger}
    for call in calls:
        facts = call.attributes
        assert by_id[call.parent_id].name.startswith("stage ")
        assert (call.kind, facts["gen_ai.operation.name"]) == (CLIENT, "chat")
        assert facts["gen_ai.usage.output_tokens"] == tokens[facts["orchestrator.call_id"]] > 0
        assert facts["gen_ai.response.finish_reasons"] == ["stop"]
        assert facts["server.address"] == "127.0.0.1"
    assert {call.attributes["gen_ai.provider.name"] for call in calls} == {
        "anthropic",
        "openai",
        "gcp.gemini",
    }

    # Gates in a child of a prefork worker, statements of the engine and of Django.
    for gate in GATES:
        assert by_id[named[f"gate {gate}"].parent_id].name == "stage verify"
        assert named[f"gate {gate}"].attributes["gate.verdict"] == "passed"
    assert {"create_flow", "finish_stage"} <= set(named)
    assert by_id[named["create_flow"].parent_id].name == "create flow"

    # Each process has an identity of its own.
    processes = {(span.resource["process.pid"], span.resource["service.instance.id"]) for span in spans}
    assert len({pid for pid, _ in processes}) == len({one for _, one in processes}) == len(processes) >= 5
    names = {span.resource["orchestrator.process"] for span in spans}
    assert {"web", "gates", "control", "anthropic", "openai", "google"} <= names

    # What models read and write stays out of traces.
    told = repr([span.attributes for span in spans])
    assert "def " not in told
    assert flow["feature_request"][:40] not in told


def test_the_log_of_a_failed_stage_names_flow_stage_and_trace(product: Product, tmp_path: Path) -> None:
    work = product.checkout(QUICK, tmp_path)
    product.simulate("openai", {"kind": "status", "status": 400})
    try:
        code, flow = product.run(work, demo.find_sample_repo(QUICK))
    finally:
        product.simulate("openai")
    assert (code, flow["status"]) == (1, "failed")
    (row,) = product.rows("SELECT trace_parent FROM flows_flow WHERE id = %s", flow["id"])
    lines = [line for log in product.stack.logs.glob("*.log") for line in log.read_text().splitlines()]
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    said = [entry for entry in entries if entry.get("flow_id") == flow["id"] and "stage" in entry]
    (ended,) = [entry for entry in said if entry["event"] == "stage ended"]
    assert (ended["stage"], ended["result"], ended["code"]) == ("implement", "failed", flow["error"]["code"])
    assert (ended["level"], ended["repo"]) == ("warning", flow["repo"])
    # All that a worker says while it works for the flow.
    assert {entry["trace_id"] for entry in said} == {row["trace_parent"][3:35]}
