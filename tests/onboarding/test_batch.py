"""Requests from a list: all of them or none."""

from datetime import date

import pytest
from django.contrib.auth.models import User

from onboarding import batch
from onboarding.errors import BatchRefused
from onboarding.models import OnboardingRequest
from tests import scenes
from tests.onboarding.steps import ask_for

pytestmark = pytest.mark.django_db
PASTED = """\
acme/billing, payments, ann@example.org
acme/ledger, payments, bob@example.org, 2026-12-09, soak

risk, risk, eve@example.org
"""


def refuse(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(BatchRefused) as refused:
        batch.schedule_batch(text, actor="kim")
    assert not OnboardingRequest.objects.filter(requested_from="kim").exists()
    return [(one.line, one.column, one.message) for one in refused.value.bad_lines]


def test_a_pasted_list_is_taken_whole():
    made = batch.schedule_batch(PASTED, actor="kim", wanted_on=date(2026, 12, 8))
    assert [(one.repo_name, one.code_host_path, one.phase, str(one.wanted_on)) for one in made] == [
        ("billing", "acme/billing", "org", "2026-12-08"),
        ("ledger", "acme/ledger", "soak", "2026-12-09"),
        ("risk", "", "org", "2026-12-08"),
    ]
    assert {one.status for one in made} == {"checking"}, "each is approved as any other"


def test_a_csv_file_names_its_columns_in_any_order():
    header = "\ufeffrepo,team_lead,code_host,ci_system,block_family"
    text = f"{header}\r\ng/sub/app,a@example.org,gitlab,gitlab_ci,ui\r\n"
    (made,) = batch.schedule_batch(text, actor="kim")
    assert (made.repo_name, made.code_host, made.ci_system) == ("app", "gitlab", "gitlab_ci")


def test_who_schedules_is_not_the_lead_of_a_line():
    kim = User.objects.create_user("kim", "bob@example.org")
    with pytest.raises(BatchRefused) as refused:
        batch.schedule_batch(PASTED, actor="kim", person=kim)
    ((line, column, said),) = [(one.line, one.column, one.message) for one in refused.value.bad_lines]
    assert (line, column) == (2, "team_lead")
    assert "from a second person" in said
    assert not OnboardingRequest.objects.exists()


def test_every_bad_line_is_named_and_nothing_is_written():
    scenes.make_repo("here")
    ask_for("asked")
    text = (
        "acme/good, payments, ann@example.org\n"
        "a/b/c, payments, ann@example.org\n"
        "acme/x, <b>, nobody\n"
        "acme/here, payments, ann@example.org\n"
        "acme/asked, payments, ann@example.org\n"
        "acme/good, payments, ann@example.org\n"
        "acme/y, payments, ann@example.org, tomorrow\n"
        "acme/z, payments, ann@example.org, , beta\n"
    )
    lines = refuse(text)
    assert [(line, column) for line, column, _ in lines] == [
        (2, "code_host_path"),
        (3, "team_lead"),
        (3, "block_family"),
        (4, "repo"),
        (5, "repo"),
        (6, "repo"),
        (7, "wanted_on"),
        (8, "phase"),
    ]
    assert lines[5][2] == "names the same repo as line 1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("repo,colour\na/b,red\n", "may name"),
        ("repo,repo\n", "may name"),
        ('"acme/x, payments\n', "not CSV"),
        ("a\0b", "NUL"),
        ("x" * 100_001, "bytes"),
        ("a/b,c,d@example.org,,,,,,,extra\n", "1 line"),
        ("\n".join(f"a/r{number},f,l@example.org" for number in range(501)), "more than 500 lines"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(text, words):
    with pytest.raises(BatchRefused, match=words):
        batch.schedule_batch(text, actor="kim")
    assert not OnboardingRequest.objects.exists()
