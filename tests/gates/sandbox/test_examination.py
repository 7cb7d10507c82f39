"""The sandbox's part of ``manage.py doctor``, through its own door."""

from io import StringIO

import pytest
from django.core.management import call_command

from gates.sandbox import probe_backends
from gates.sandbox.attacks import ATTACKS, Attack
from gates.sandbox.base import Job
from tests.gates.sandbox.test_backends import ONLY_MISSING

# It starts dozens of sandboxes, one after another: minutes on a machine whose cores are taken.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def one_attack(monkeypatch: pytest.MonkeyPatch) -> Attack:
    """The suite runs all of them elsewhere; here it is about what the operator sees."""
    attack = next(each for each in ATTACKS if each.name == "loopback")
    monkeypatch.setattr("gates.sandbox.examination.ATTACKS", (attack,))
    return attack


def test_it_names_the_backend_its_start_and_what_held(one_attack: Attack) -> None:
    out = StringIO()
    call_command("doctor", "sandbox", stdout=out)
    text = out.getvalue()
    assert "starts in" in text
    assert one_attack.name in text
    assert "every attack was held" in text


def test_an_attack_that_gets_through_ends_in_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    breach = Attack("loopback", "connects", "loopback", Job(argv=("python",)), lambda *_: "it answered")
    monkeypatch.setattr("gates.sandbox.examination.ATTACKS", (breach,))
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("doctor", "sandbox", stdout=out)
    assert caught.value.code == 1
    assert "it answered" in out.getvalue()


def test_all_tries_every_backend_that_works(one_attack: Attack) -> None:
    out = StringIO()
    call_command("doctor", "sandbox", "--all", stdout=out)
    working = [each.name for each in probe_backends() if each.available]
    assert [line.split()[0] for line in out.getvalue().splitlines() if "starts in" in line] == working


def test_without_a_sandbox_the_operator_reads_what_is_missing_and_what_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gates.sandbox.registry.BACKENDS", ONLY_MISSING)
    monkeypatch.setattr("gates.sandbox.registry._chosen", {})
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("doctor", "sandbox", stdout=out)
    text = " ".join(out.getvalue().split())
    assert caught.value.code == 1
    assert "gates:no-sandbox No sandbox holds on this machine (bubblewrap: not on this machine)" in text
    assert "Cure: Install bubblewrap" in text
    assert "strict flows wait" in text
    assert "held" not in text
