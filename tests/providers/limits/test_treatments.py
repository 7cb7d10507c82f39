"""The table in the docs is the table in the code, and every error has a treatment."""

import re
from pathlib import Path

import pytest

from providers import base, error_policy
from providers.base import ProviderError
from providers.error_policy import TREATMENTS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "provider-errors.md"
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| (\w+) \| ([^|]+) \| (\w+) \|$", re.MULTILINE)


def test_the_page_shows_each_treatment_as_it_is() -> None:
    shown = {
        name: (ending, health, mender) for name, ending, health, _, mender in ROW.findall(PAGE.read_text())
    }
    actual = {
        kind.__name__: (treatment.ending.value, treatment.health.name.lower(), kind.mender)
        for kind, treatment in TREATMENTS.items()
    }
    assert shown == actual


KINDS = [kind for kind in vars(base).values() if isinstance(kind, type) and issubclass(kind, ProviderError)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_have_been_spent_is_never_given_back(kind: type[ProviderError]) -> None:
    ending = error_policy.of(kind("openai")).ending
    assert (ending is error_policy.Ending.RELEASE) == (not kind.spent)
