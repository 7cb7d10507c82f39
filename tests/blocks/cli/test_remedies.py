"""What has to change after a gate refused, and the command to type: each command exists as it is said."""

import json
import shlex

import pytest

from blocks.cli.remedy import find_remedy
from tests.blocks.cli.test_candidates import make_gate
from tests.docs.test_typed_commands import check_command
from tests.web import story


@pytest.mark.parametrize(
    ("gate", "fix"),
    [
        (make_gate("errored", {"rule": "few-results"}), "operator"),
        (make_gate("failed", {"rule": "B307"}), "code"),
        (make_gate("failed", {"rule": "allowlist-unplanned-capability"}), "request"),
        (make_gate("failed", {"rule": "narrow-input"}, {"rule": "no-result"}, gate="contract"), "contract"),
        # The code breaks a promise that is wrong as well: the code is looked at first.
        (make_gate("failed", {"rule": "narrow-input"}, {"rule": "output-breach"}, gate="contract"), "code"),
        (make_gate("failed", {"rule": "plan-breach"}, {"rule": "x", "severity": "note"}), "contract"),
        (make_gate("failed", gate="mutation"), "code"),
    ],
)
def test_who_can_fix_it_is_told_by_the_findings(gate, fix):
    remedy = find_remedy(gate, "task_x")
    assert remedy.fix == fix
    assert [check_command(shlex.split(typed)[1:]) for typed in remedy.commands] == [""] * len(remedy.commands)


def test_a_gate_that_passed_needs_nothing():
    assert find_remedy(make_gate("passed"), "task_x") is None


def test_a_failed_flow_says_what_has_to_change(blocks):
    flow = story.tell_failed_flow()
    how = "correct it by hand, or let the models try once more with what was found"
    expected = f"code: {how}: `blocks flow fetch "
    for words in (("flow", "follow"), ("flow", "show"), ("verify", "show")):
        assert f"fix: {expected}" in blocks(*words, flow.id).stdout
    verbose = blocks("verify", "show", flow.id, "--verbose").stdout
    # Beside each cure.
    assert verbose.count("  fix: code: ") == 3
    found = json.loads(blocks("verify", "show", flow.id, "--json").stdout)["remedies"]
    assert [(one["gate"], one["fix"]) for one in found] == [
        ("contract", "code"),
        ("mutation", "code"),
        ("security", "code"),
    ]
