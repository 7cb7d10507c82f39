"""Logging in: who guesses is slowed down and told for how long, and nobody stays logged in for ever."""

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from rest_framework.test import APIClient

from onboarding.models import OnboardingRequest
from orchestrator.repos import tokens
from orchestrator.rest.throttles import OnboardingThrottle, WrongTokenThrottle

PASSWORD = "a long enough one 7"


@pytest.fixture(autouse=True)
def fresh_counts(db):
    """Nobody has tried anything yet."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def person(db) -> User:
    """Somebody with a password."""
    return User.objects.create_superuser("sre", "sre@example.org", PASSWORD)


def log_in(client: Client, password: str, page: str = "/login/"):
    return client.post(page, {"username": "sre", "password": password, "next": "/flows/"})


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_a_right_password_logs_in_and_a_session_ends(person, page):
    client = Client()
    assert log_in(client, PASSWORD, page).status_code == 302
    assert client.get("/flows/").status_code == 200
    session = client.cookies["sessionid"]
    # A cookie without an age ends with the browser; the server forgets it after a day's work.
    assert session["max-age"] == ""
    assert session["httponly"]
    assert client.session.get_expiry_age() <= 10 * 3600
    assert client.post("/logout/").status_code == 302
    assert client.get("/flows/").status_code == 302


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_who_guesses_is_locked_out_with_the_time_and_others_are_not(person, page):
    guesser = Client(REMOTE_ADDR="192.0.2.7")
    answers = [log_in(guesser, f"wrong {number}", page) for number in range(6)]
    assert [answer.status_code for answer in answers[:4]] == [200] * 4
    refused = answers[-1]
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert "Wait 15 minutes" in refused.content.decode()
    assert "manage.py axes_reset_username sre" in refused.content.decode()
    # Also with the right password now; but nobody else is shut out by it.
    assert log_in(guesser, PASSWORD, page).status_code == 429
    assert log_in(Client(REMOTE_ADDR="192.0.2.8"), PASSWORD, page).status_code == 302


def test_a_guesser_with_many_addresses_of_one_network_is_one_guesser(person):
    """A customer of IPv6 has 2**64 addresses, and each would have its own five guesses."""
    for number in range(1, 7):
        answer = log_in(Client(REMOTE_ADDR=f"2001:db8:1:2::{number}"), "wrong")
    assert answer.status_code == 429
    assert log_in(Client(REMOTE_ADDR="2001:db8:1:3::1"), PASSWORD).status_code == 302


@pytest.mark.parametrize("weak", ["short7", "123456789012345", "password1234"])
def test_weak_passwords_are_refused(weak):
    with pytest.raises(ValidationError):
        validate_password(weak)


def test_wrong_tokens_are_throttled_by_address_and_right_ones_are_not(db):
    _, secret = tokens.create_token("t")
    number = int(WrongTokenThrottle.rate.partition("/")[0])
    guesser = APIClient(REMOTE_ADDR="192.0.2.7")
    guesser.credentials(HTTP_AUTHORIZATION="Bearer blk_wrong")
    assert [guesser.get("/api/v1/flows/").status_code for _ in range(number)] == [401] * number
    refused = guesser.get("/api/v1/flows/")
    assert (refused.status_code, refused.json()["code"]) == (429, "request:throttled")
    assert 0 < int(refused["Retry-After"]) <= 60
    known = APIClient(REMOTE_ADDR="192.0.2.8")
    known.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert [known.get("/api/v1/flows/").status_code for _ in range(number + 2)] == [200] * (number + 2)


def test_wrong_tokens_from_one_network_count_together(db, monkeypatch):
    monkeypatch.setattr(WrongTokenThrottle, "rate", "2/min")
    codes = []
    for number in range(1, 4):
        guesser = APIClient(REMOTE_ADDR=f"2001:db8:1:2::{number}")
        guesser.credentials(HTTP_AUTHORIZATION="Bearer blk_wrong")
        codes.append(guesser.get("/api/v1/flows/").status_code)
    assert codes == [401, 401, 429]


def test_the_onboarding_form_is_throttled_by_account(db, monkeypatch):
    monkeypatch.setattr(OnboardingThrottle, "rate", "2/hour")
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.force_login(User.objects.create_user("ann"))
    colleague = Client(REMOTE_ADDR="192.0.2.7")
    colleague.force_login(User.objects.create_user("bob"))
    assert [client.post("/onboarding/", {"repo_name": "x"}).status_code for _ in range(2)] == [422, 422]
    refused = client.post("/onboarding/", {"repo_name": "x"})
    assert refused.status_code == 429
    assert "Too many requests came from this account" in refused.content.decode()
    assert int(refused["Retry-After"]) > 0
    assert client.get("/onboarding/").status_code == 200
    assert colleague.post("/onboarding/", {"repo_name": "x"}).status_code == 422
    assert OnboardingRequest.objects.count() == 0
