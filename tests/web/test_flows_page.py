"""The list of flows."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from orchestrator.web.pages import flows as pages
from tests import scenes


@pytest.fixture
def sre(db) -> Client:
    """An SRE who has logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    return client


def listed_ids(client: Client, **query: str) -> str:
    answer = client.get("/flows/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_newest_first_a_page_at_a_time(sre, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 2)
    made = [scenes.make_flow(request=f"# Feature {number}") for number in range(3)]
    text = listed_ids(sre, repo="compliance-service")
    assert text.index("Feature 2") < text.index("Feature 1")
    assert "Feature 0" not in text
    assert f"?repo=compliance-service&amp;before={made[1].id}" in text
    older = listed_ids(sre, before=made[1].id)
    assert "Feature 0" in older
    assert "Older" not in older


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ledger"}, {"Ledger"}),
        ({"q": "gate:mut"}, {"Ratio"}),
        ({"status": "failed"}, {"Ratio"}),
        ({"status": "going"}, {"Ledger"}),
        ({"repo": "other"}, {"Ledger"}),
        ({"q": "\0"}, {"Ledger", "Ratio"}),
        ({"status": "nonsense"}, set()),
        ({"q": "100%"}, set()),
    ],
)
def test_filters_and_search(sre, query, found):
    scenes.run_through(scenes.make_flow(request="# Ratio"), gates_fail=True)
    scenes.make_flow(scenes.make_repo("other"), request="# Ledger")
    text = listed_ids(sre, **query)
    assert {name for name in ("Ledger", "Ratio") if f">{name}</a>" in text} == found
    if not found:
        assert "No flow fits." in text


def test_an_empty_list_says_how_to_begin(sre):
    assert "blocks flow run" in listed_ids(sre)


def test_the_list_is_for_staff(db):
    assert Client().get("/flows/")["Location"].startswith("/login/")


def test_a_parameter_that_does_not_exist_is_refused_and_not_taken_for_all(sre):
    made = scenes.make_flow()
    assert sre.get("/flows/?reop=other").status_code == 400
    assert sre.get(f"/flows/{made.pk}/?runde=1").status_code == 400
    assert sre.get(f"/flows/{made.pk}/?round=1&part=body").status_code == 200
