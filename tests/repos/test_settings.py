"""Which value is in force: environment, organisation, repo; and what may not be set."""

import pytest

from orchestrator.repos import repo_settings
from orchestrator.repos.models import Repo, RepoSetting
from orchestrator.repos.repo_settings import SettingRefused, read_effective, read_in_force, set_value
from tests import scenes


@pytest.fixture
def repo(db) -> Repo:
    return scenes.make_repo()


def test_every_promised_key_is_there(repo):
    assert read_effective(repo) == {
        "architect.model": "claude-sonnet-4-5",
        "implementation.model": "gpt-4-turbo",
        "context.model": "gemini-pro",
        "fallback.model": "",
        "effort.context": "low",
        "effort.plan": "medium",
        "effort.implement": "medium",
        "effort.review": "medium",
        "effort.docs": "low",
        "context.pruning.enabled": True,
        "context.max_size_kb": 180,
        "gates.mode": "strict",
        "gates.min_unit_coverage": 90,
        "gates.min_mutation_kill_rate": 60,
        "gates.capabilities": "",
        "max_repair_rounds": 2,
        "flow.max_cost_usd": "2",
        "enabled": True,
    }


def test_capabilities_only_narrow_on_the_way_down(repo, settings):
    settings.BLOCK_CAPABILITIES = "clock,environment"
    key = "gates.capabilities"
    set_value(None, key, "network, clock", actor="sre")
    assert read_effective(repo)[key] == "clock"
    set_value(repo, key, "environment", actor="owner")
    assert read_effective(repo)[key] == ""
    with pytest.raises(SettingRefused):
        set_value(repo, key, "everything", actor="owner")


def test_the_nearer_value_wins_and_the_newest_of_a_level_counts(repo):
    key = "context.max_size_kb"
    assert read_in_force(repo)[key].source == "env"
    set_value(None, key, 200, actor="sre")
    assert (read_in_force(repo)[key].value, read_in_force(repo)[key].source) == (200, "org")
    set_value(repo, key, 100, actor="owner")
    set_value(repo, key, "120", actor="owner")
    assert (read_in_force(repo)[key].value, read_in_force(repo)[key].source) == (120, "repo")
    set_value(repo, key, None, actor="owner")
    assert (read_in_force(repo)[key].value, read_in_force(repo)[key].source) == (200, "org")
    assert [row.value for row in RepoSetting.objects.filter(repo=repo)] == [None, 120, 100]


@pytest.mark.parametrize("key", ["gates.min_unit_coverage", "gates.min_mutation_kill_rate"])
def test_thresholds_rise_and_never_fall_below_the_organisation(repo, key):
    floor = read_effective(None)[key]
    assert set_value(repo, key, floor + 5, actor="owner").value == floor + 5
    with pytest.raises(SettingRefused) as refused:
        set_value(repo, key, floor - 1, actor="owner")
    assert refused.value.code == "config:below-organisation"
    assert str(floor) in refused.value.cure


def test_a_repo_follows_when_the_organisation_raises_its_threshold_later(repo):
    set_value(repo, "gates.min_unit_coverage", 92, actor="owner")
    set_value(None, "gates.min_unit_coverage", 97, actor="sre")
    assert (
        read_effective(repo)["gates.min_unit_coverage"],
        read_in_force(repo)["gates.min_unit_coverage"].source,
    ) == (
        97,
        "org",
    )


def test_the_gate_mode_tightens_only(repo, settings):
    settings.QUALITY_GATE_MODE = "advisory"
    assert set_value(repo, "gates.mode", "strict", actor="o").value == "strict"
    with pytest.raises(SettingRefused, match="cannot be relaxed"):
        set_value(repo, "gates.mode", "off", actor="o")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context.max_size_kb", 501),
        ("context.max_size_kb", 0),
        ("context.max_size_kb", "many"),
        ("context.max_size_kb", True),
        ("context.max_size_kb", 1.5),
        ("context.pruning.enabled", "maybe"),
        ("context.pruning.enabled", 1),
        ("gates.mode", "lenient"),
        ("gates.min_unit_coverage", 101),
        ("max_repair_rounds", -1),
        ("flow.max_cost_usd", "0"),
        ("flow.max_cost_usd", "much"),
        ("flow.max_cost_usd", True),
        ("architect.model", ""),
        ("architect.model", "two words"),
        ("architect.model", 7),
        ("fallback.model", "x" * 101),
        ("enabled", "perhaps"),
    ],
)
def test_values_of_the_wrong_kind_are_refused_and_say_what_is_taken(repo, key, value):
    with pytest.raises(SettingRefused) as refused:
        set_value(repo, key, value, actor="o")
    assert refused.value.code == "config:invalid-value"
    assert key in refused.value.cure
    assert not RepoSetting.objects.exists()


def test_an_unknown_key_is_refused(repo):
    with pytest.raises(SettingRefused) as refused:
        set_value(repo, "context.prunning", True, actor="o")
    assert refused.value.code == "config:unknown-key"
    assert "context.pruning.enabled" in refused.value.cure


def test_all_or_none(repo):
    with pytest.raises(SettingRefused):
        repo_settings.set_values(repo, {"context.max_size_kb": 100, "gates.mode": "x"}, actor="o")
    assert read_effective(repo)["context.max_size_kb"] == 180


def test_enabled_follows_switch_and_allowlist(repo, settings):
    set_value(repo, "enabled", False, actor="sre")
    assert not read_effective(repo)["enabled"]
    assert not Repo.objects.get(pk=repo.pk).enabled
    set_value(repo, "enabled", True, actor="sre")
    settings.REPO_ALLOWLIST = ("compliance",)
    assert (read_effective(repo)["enabled"], read_in_force(repo)["enabled"].source) == (False, "env")
    with pytest.raises(SettingRefused):
        set_value(None, "enabled", True, actor="sre")
