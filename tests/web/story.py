"""A flow in which everything that the page can show has happened, as rows: two rounds, mutants, gaps,
findings, hostile text.
"""

import json
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from orchestrator.flows.models import Artifact, Flow, FlowEvent, Stage
from tests import scenes

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
MODULE = (
    "LIMIT = 10\n\n\n"
    "def clip(value: int) -> int:\n    if value > LIMIT:\n        return LIMIT\n    return value\n"
)
FIXED = MODULE.replace("value > LIMIT", "value >= LIMIT")
TESTS = f"from clip import clip\n\n\ndef test_small():\n    assert clip(1) == 1  # {HOSTILE}\n"
README = (
    f"# clip\n\n{HOSTILE}\n\n"
    "[good](https://example.org/) [bad](javascript:alert(1)) ![pixel](https://example.org/p.png)\n"
)


def keep_artifact(stage: Stage, kind: str, name: str, content: str | bytes) -> Artifact:
    """An artifact of ``stage``."""
    raw = content.encode() if isinstance(content, str) else content
    fields = {"media_type": "text/plain", "blob": scenes.store_blob(raw)}
    return Artifact.objects.create(flow_id=stage.flow_id, stage=stage, kind=kind, name=name, **fields)


def coverage_json() -> str:
    """As coverage.py writes it: line 6 never ran, and line 5 never went there."""
    entry = {"executed_lines": [1, 4, 5, 7], "missing_lines": [6], "missing_branches": [[5, 6]]}
    return json.dumps({"files": {"block/clip.py": entry}})


def mutation_json() -> str:
    """As Stryker has it: one survivor in line 5, one detected."""
    place = {"start": {"line": 5, "column": 8}, "end": {"line": 5, "column": 21}}
    survivor = {
        "id": "1",
        "mutatorName": "comparison",
        "replacement": "value < LIMIT",
        "status": "Survived",
        "location": place,
    }
    return json.dumps(
        {
            "files": {
                "clip.py": {
                    "source": MODULE,
                    "mutants": [survivor, survivor | {"id": "2", "status": "Killed"}],
                }
            }
        }
    )


def _tell_implementation(stage: Stage, module: str, name: str = "clip") -> None:
    attempt = scenes.start_stage(stage)
    scenes.record_call(attempt, "openai", "gpt-4-turbo", "0.04")
    keep_artifact(stage, "module", f"{name}.py", module)
    keep_artifact(stage, "tests", f"test_{name}.py", TESTS)
    keep_artifact(stage, "contract", "contract.json", '{"contract": 1}\n')
    scenes.finish_attempt(attempt, model="gpt-4-turbo")


def _insert_round(flow: Flow, after: Stage) -> tuple[Stage, Stage]:
    for stage in flow.stages.filter(position__gt=after.position).order_by("-position"):
        stage.position += 2
        stage.save()
    fields = {"flow": flow, "round": 2, "status": "pending"}
    again = Stage.objects.create(
        position=after.position + 1, kind="implement", queue="openai", feedback="- mind the limit", **fields
    )
    return again, Stage.objects.create(position=after.position + 2, kind="verify", queue="gates", **fields)


def tell_flow() -> Flow:
    """Round 1 fails at the mutation gate, round 2 passes all."""
    flow = scenes.make_flow(request=f"# Clip {HOSTILE}\nA value to a limit.")
    for kind in ("context", "plan"):
        scenes.finish_attempt(scenes.start_stage(flow.stages.get(kind=kind)), model="gemini-pro")
    _tell_implementation(flow.stages.get(kind="implement"), MODULE)
    verify = flow.stages.get(kind="verify")
    FlowEvent.objects.create(flow=flow, kind="stage.ready", stage=verify)
    attempt = scenes.start_stage(verify)
    _judge_first(verify)
    scenes.finish_attempt(
        attempt, "failed", error=("gate:mutation-failed", "The mutation gate failed.", "Add tests.")
    )
    again, second = _insert_round(flow, verify)
    _tell_implementation(again, FIXED)
    attempt = scenes.start_stage(second)
    scenes.record_gate_result(second, "contract")
    scenes.record_gate_result(second, "mutation", score=Decimal("90"), threshold=Decimal(60))
    scenes.finish_attempt(attempt)
    review = flow.stages.get(kind="review")  # its own number is 1; what it read is round 2
    attempt = scenes.start_stage(review)
    remark = {
        "rule": "review",
        "message": f"mind {HOSTILE}",
        "path": "clip.py",
        "line": 4,
        "severity": "note",
    }
    scenes.record_gate_result(review, "review", score=Decimal(99), findings=[remark])
    scenes.finish_attempt(attempt)
    docs = flow.stages.get(kind="docs")
    attempt = scenes.start_stage(docs)
    keep_artifact(docs, "readme", "README.md", README)
    scenes.finish_attempt(attempt)
    scenes.finish_attempt(scenes.start_stage(flow.stages.get(kind="seal")))
    scenes.seal_block(flow, name="clip")
    return scenes.end_flow(flow, "passed")


def _judge_first(stage: Stage) -> None:
    keep_artifact(stage, "evidence:coverage:coverage.json", "coverage.json", coverage_json())
    keep_artifact(stage, "evidence:mutation:mutation.json", "mutation.json", mutation_json())
    silent = {
        "rule": "sabotage-survived",
        "message": "no test notices",
        "path": "clip.py",
        "line": 7,
        "end_line": 7,
        "severity": "warning",
    }
    breach = {
        "rule": "contract-breach",
        "message": f"clip(11) {HOSTILE}",
        "path": "",
        "line": 0,
        "severity": "error",
    }
    weak = {"rule": "B307", "message": "eval is evil", "path": "clip.py", "line": 900, "severity": "error"}
    mutant = {
        "rule": "mutant-comparison",
        "message": "survived",
        "path": "clip.py",
        "line": 5,
        "severity": "warning",
    }
    scenes.record_gate_result(
        stage, "contract", "failed", cure="Fix schema or implementation, then retry.", findings=[breach]
    )
    scenes.record_gate_result(
        stage, "coverage", score=Decimal("80"), threshold=Decimal(90), findings=[silent]
    )
    scenes.record_gate_result(
        stage,
        "mutation",
        "failed",
        score=Decimal("50"),
        threshold=Decimal(60),
        findings=[mutant],
        cure="Add tests.",
    )
    scenes.record_gate_result(stage, "security", "failed", findings=[weak])


def tell_failed_flow(name: str = "clip", filler: str = "") -> Flow:
    """The only round ends at the mutation gate: a survivor, a line that never ran, findings with and without
    a place.
    """
    flow = scenes.make_flow(request="# Clip a value to a limit\nValues over the limit become the limit.")
    for kind in ("context", "plan"):
        scenes.finish_attempt(scenes.start_stage(flow.stages.get(kind=kind)), model="gemini-pro")
    implement, verify = flow.stages.get(kind="implement"), flow.stages.get(kind="verify")
    _tell_implementation(implement, MODULE + filler, name)
    error = ("gate:contract-failed", "The contract gate failed.", "Fix schema or implementation, then retry.")
    attempt = scenes.start_stage(verify)
    _judge_first(verify)
    scenes.finish_attempt(attempt, "failed", error=error)
    Stage.objects.filter(flow=flow, status__in=["pending", "ready"]).update(status="skipped")
    return scenes.end_flow(flow, "failed", error=error)


def tell_long_flow() -> Flow:
    """As ``failed``, with a line of 2,000 characters and a file name that no screen has room for."""
    return tell_failed_flow("a_name_that_is_longer_than_any_screen_is_wide_" * 4, f'TEXT = "{"x" * 2000}"\n')


def tell_waiting_flow() -> Flow:
    """The plan waits for a provider's quota."""
    flow = scenes.make_flow(request="# Liquidity coverage ratio\nBasel III.")
    scenes.finish_attempt(scenes.start_stage(flow.stages.get(kind="context")), model="gemini-pro")
    reason = "anthropic has used 2,000,000 of 2,000,000 tokens in 24 hours; 41,200 come back at 05:00 UTC."
    soon = timezone.now() + timedelta(minutes=17)
    plan = flow.stages.filter(kind="plan")
    plan.update(status="ready", ready_at=timezone.now())
    plan.update(
        status="waiting",
        wait_reason=reason,
        waits_for="anthropic",
        not_before=soon,
        waiting_since=timezone.now(),
    )
    Flow.objects.filter(pk=flow.pk).update(status="waiting")
    flow.refresh_from_db()
    return flow
