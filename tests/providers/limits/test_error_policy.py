"""The table in the docs is the table in the code, and every error has a treatment."""

import re
from pathlib import Path

import pytest

from providers import base, error_policy
from providers.base import ProviderError
from providers.error_policy import ERROR_POLICIES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "provider-errors.md"
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| (\w+) \| ([^|]+) \| ([\w-]+) \|$", re.MULTILINE)


def test_the_page_shows_each_treatment_as_it_is() -> None:
    shown = {
        name: (ending, health, fixed_by)
        for name, ending, health, _, fixed_by in ROW.findall(PAGE.read_text())
    }
    actual = {
        kind.__name__: (treatment.ending.value, treatment.health.name.lower(), kind.fixed_by.value)
        for kind, treatment in ERROR_POLICIES.items()
    }
    assert shown == actual


KINDS = [kind for kind in vars(base).values() if isinstance(kind, type) and issubclass(kind, ProviderError)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_have_been_spent_is_never_given_back(kind: type[ProviderError]) -> None:
    ending = error_policy.find_policy(kind("openai")).ending
    assert (ending is error_policy.ReservationEnding.RELEASE) == (not kind.spent)
