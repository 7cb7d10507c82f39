from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings

from orchestrator.flows.flow_settings import FlowSettings, complete_settings
from orchestrator.repos import repo_settings
from orchestrator.repos.repo_settings import SettingRefused


def test_settings_are_completed_where_the_caller_gives_a_part() -> None:
    complete = complete_settings({"max_repair_rounds": 1, "context.model": None})
    assert complete == {**repo_settings.read_environment(), "max_repair_rounds": 1}
    # What only counts at the creation of a flow is not kept with it.
    pinned = {name for name, key in repo_settings.KEYS.items() if key.pinned}
    assert set(complete) == pinned - {"enabled"}
    assert "budget.tokens_day" not in complete


def test_settings_carry_their_units() -> None:
    parsed = FlowSettings.parse({"context.max_size_kb": 2, "flow.max_cost_usd": "0.00001"})
    assert parsed.context_max_bytes == 2000
    assert parsed.max_cost_usd == Decimal("0.00001")


def test_operator_may_forbid_all_spending(settings: LazySettings) -> None:
    settings.FLOW_MAX_COST_USD = Decimal(0)
    assert FlowSettings.parse({}).max_cost_usd == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_repair_rounds", 11),
        ("max_repair_rounds", True),
        ("context.max_size_kb", 0),
        ("gates.min_unit_coverage", 101),
        ("flow.max_cost_usd", "-1"),
        ("flow.max_cost_usd", "NaN"),
        ("architect.model", "two words"),
    ],
)
def test_value_out_of_bounds_is_refused(key: str, value: Any) -> None:
    with pytest.raises(SettingRefused, match=key):
        FlowSettings.parse({key: value})
