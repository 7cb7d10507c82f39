"""Flow types as graphs: what a table may say, and in which order its stages come."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.flows.flow_types import (
    ONE_BY_ONE,
    SIDE_BY_SIDE,
    FlowType,
    FlowTypeRefused,
    StageSpec,
    newest_version,
    pinned_version,
)
from orchestrator.queues import Queue

ROOT = Path(__file__).parents[2]


def table(*lines: tuple[str, tuple[str, ...] | None]) -> FlowType:
    """A type of stages on one queue."""
    return FlowType("tried", 1, tuple(StageSpec(kind, Queue.CONTROL, needs) for kind, needs in lines))


def test_new_flows_run_their_readers_side_by_side_and_old_ones_end_as_they_began():
    assert newest_version("plan_impl_review_docs") is SIDE_BY_SIDE
    assert pinned_version("plan_impl_review_docs", 1) is ONE_BY_ONE
    order = SIDE_BY_SIDE.order
    assert [spec.kind for spec in order.stages] == [spec.kind for spec in ONE_BY_ONE.order.stages]
    assert order.needs == ((), (0,), (1,), (2,), (2,), (2,), (3, 4, 5))
    assert ONE_BY_ONE.order.needs == ((), (0,), (1,), (2,), (3,), (4,), (5,))


def test_a_stage_knows_what_comes_before_it_and_not_what_runs_beside_it():
    assert SIDE_BY_SIDE.kinds_before("review") == {"context", "plan", "implement"}
    assert ONE_BY_ONE.kinds_before("review") == {"context", "plan", "implement", "verify"}
    assert SIDE_BY_SIDE.kinds_behind("implement") == ("implement", "verify", "review", "docs", "seal")


def test_stages_come_after_what_they_need_in_any_order_of_the_lines():
    moved = table(("first", ()), ("last", ("b", "a")), ("b", ("a",)), ("a", ("first",)))
    assert [spec.kind for spec in moved.order.stages] == ["first", "a", "b", "last"]
    assert moved.order.needs == ((), (0,), (1,), (1, 2))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((("a", ()), ("b", ("c",)), ("c", ("b",))), "has a cycle: "),
        ((("a", ()), ("b", ("b",))), "has a cycle: b needs b"),
        ((("a", ()), ("b", ("x",))), "has no such stage: b needs x"),
        ((("a", ()), ("a", ("a",))), "has several stages of that kind: a needs a"),
        ((("a", ()), ("b", ("a",)), ("c", ("a",))), "but b, c are needed by none"),
        ((("a", ()), ("b", ()), ("c", ("a", "b"))), "but a, b need nothing"),
        ((), "but no stages need nothing"),
    ],
)
def test_a_table_without_one_way_through_is_refused(lines, words):
    with pytest.raises(FlowTypeRefused, match="The flow type tried version 1 ") as refused:
        table(*lines)
    assert words in str(refused.value)
    assert "Correct `needs`" in str(refused.value)


def test_a_process_does_not_start_with_a_wrong_table(tmp_path):
    (tmp_path / "wrong_table.py").write_text(
        "from orchestrator.flows.flow_types import FlowType, StageSpec\n"
        "from orchestrator.queues import Queue\n"
        "FLOW_TYPES = (FlowType('wrong', 3, (StageSpec('a', Queue.GATES, ('b',)),"
        " StageSpec('b', Queue.GATES, ('a',)))),)\n"
        "STAGES = {}\n"
    )
    environment = os.environ | {"ENGINE_PLUGINS": "wrong_table", "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    started = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode != 0
    assert "The flow type wrong version 3 has a cycle" in started.stderr
