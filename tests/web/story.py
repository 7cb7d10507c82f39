"""A flow in which everything that the page can show has happened: two rounds, mutants, gaps, findings,
hostile text.
"""

import json
from decimal import Decimal

from gates.base import Finding, GateReport
from orchestrator.flows import engine
from orchestrator.flows.models import Flow
from orchestrator.flows.stage_protocol import NewArtifact, Repair
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


def make_artifact(kind: str, name: str, content: str | bytes) -> NewArtifact:
    """An artifact of a stage."""
    raw = content.encode() if isinstance(content, str) else content
    return NewArtifact(kind, name, raw, "text/plain")


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


def _tell_beginning(flow: Flow, name: str = "clip") -> None:
    plan = {"block_family": "compliance", "block_name": name}
    for kind, output in (("context", {}), ("plan", plan)):
        scenes.finish_stage(scenes.start_kind(flow, kind), model="gemini-pro", output=output)


def _tell_implementation(flow: Flow, module: str, name: str = "clip") -> None:
    claim = scenes.start_kind(flow, "implement")
    scenes.record_call(claim, "openai", "gpt-4-turbo", "0.04")
    artifacts = (
        make_artifact("module", f"{name}.py", module),
        make_artifact("tests", f"test_{name}.py", TESTS),
        make_artifact("contract", "contract.json", '{"contract": 1}\n'),
    )
    scenes.finish_stage(claim, model="gpt-4-turbo", artifacts=artifacts)


def tell_flow() -> Flow:
    """Round 1 fails at the mutation gate, round 2 passes all."""
    flow = scenes.make_flow(request=f"# Clip {HOSTILE}\nA value to a limit.")
    _tell_beginning(flow)
    _tell_implementation(flow, MODULE)
    rejected = Repair(
        "- mind the limit",
        "implement",
        "gate:mutation-failed",
        "The mutation gate failed.",
        "Add tests.",
        artifacts=_keep_measurements(),
        gates=_judge_first(),
    )
    engine.finish(scenes.start_kind(flow, "verify"), rejected)
    # Beside the gates: their work is lost, and the round begins after it.
    for kind in ("review", "docs"):
        scenes.finish_stage(scenes.start_kind(flow, kind))
    _tell_implementation(flow, FIXED)
    mutation = scenes.make_report("mutation", score=Decimal(90), threshold=Decimal(60))
    verified = (scenes.make_report("contract"), mutation)
    scenes.finish_stage(scenes.start_kind(flow, "verify"), gates=verified)
    remark = Finding("review", f"mind {HOSTILE}", "note", "clip.py", 4)
    reviewed = (scenes.make_report("review", score=Decimal(99), findings=(remark,)),)
    scenes.finish_stage(scenes.start_kind(flow, "review"), gates=reviewed)
    readme = make_artifact("readme", "README.md", README)
    scenes.finish_stage(scenes.start_kind(flow, "docs"), artifacts=(readme,))
    scenes.seal_block(flow, name="clip")
    return flow


def _keep_measurements() -> tuple[NewArtifact, ...]:
    return (
        make_artifact("evidence:coverage:coverage.json", "coverage.json", coverage_json()),
        make_artifact("evidence:mutation:mutation.json", "mutation.json", mutation_json()),
    )


def _judge_first() -> tuple[GateReport, ...]:
    silent = Finding("sabotage-survived", "no test notices", "warning", "clip.py", 7, 7)
    breach = Finding("contract-breach", f"clip(11) {HOSTILE}")
    weak = Finding("B307", "eval is evil", path="clip.py", line=900)
    mutant = Finding("mutant-comparison", "survived", "warning", "clip.py", 5)
    cure = "Fix schema or implementation, then retry."
    return (
        scenes.make_report("contract", "failed", cure=cure, findings=(breach,)),
        scenes.make_report("coverage", score=Decimal(80), threshold=Decimal(90), findings=(silent,)),
        scenes.make_report(
            "mutation",
            "failed",
            score=Decimal(50),
            threshold=Decimal(60),
            findings=(mutant,),
            cure="Add tests.",
        ),
        scenes.make_report("security", "failed", findings=(weak,)),
    )


def tell_failed_flow(name: str = "clip", filler: str = "") -> Flow:
    """The only round ends at the mutation gate: a survivor, a line that never ran, findings with and without
    a place.
    """
    flow = scenes.make_flow(request="# Clip a value to a limit\nValues over the limit become the limit.")
    _tell_beginning(flow, name)
    _tell_implementation(flow, MODULE + filler, name)
    error = ("gate:contract-failed", "The contract gate failed.", "Fix schema or implementation, then retry.")
    verify = scenes.start_kind(flow, "verify")
    scenes.fail_stage(verify, error, artifacts=_keep_measurements(), gates=_judge_first())
    flow.refresh_from_db()
    return flow


def tell_long_flow() -> Flow:
    """As ``failed``, with a line of 2,000 characters and a file name that no screen has room for."""
    return tell_failed_flow("a_name_that_is_longer_than_any_screen_is_wide_" * 4, f'TEXT = "{"x" * 2000}"\n')


def tell_waiting_flow() -> Flow:
    """The plan waits for a provider's quota."""
    flow = scenes.make_flow(request="# Liquidity coverage ratio\nBasel III.")
    scenes.finish_stage(scenes.start_kind(flow, "context"), model="gemini-pro")
    reason = "anthropic has used 2,000,000 of 2,000,000 tokens in 24 hours; 41,200 come back at 05:00 UTC."
    scenes.park_stage(scenes.start_kind(flow, "plan"), reason, provider="anthropic", seconds=17 * 60)
    flow.refresh_from_db()
    return flow
