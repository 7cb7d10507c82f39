"""The keys of an issuer: fetched with bounds, kept when it is away, asked for seldom."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.repos.ci_jobs import signing_keys
from orchestrator.repos.ci_jobs.signing_keys import KeysAway, SigningKeys
from tests.repos.ci_jobs.issuer import Issuer, describe_key, run_issuer


@pytest.fixture
def issuer():
    with run_issuer() as running:
        yield running


def test_keys_are_fetched_once_for_many(issuer: Issuer):
    keys = SigningKeys(issuer.url)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(keys.find_key, ["rsa1", "ec1"] * 8))
    assert all(found)
    # The discovery document and the list.
    assert issuer.asked == 2


@pytest.mark.parametrize("answer", ["down", "huge", "redirect", "not json", "other issuer", "other host"])
def test_an_answer_that_cannot_be_used_gives_no_keys(issuer: Issuer, answer):
    issuer.answer = answer
    keys = SigningKeys(issuer.url)
    for _ in range(5):
        with pytest.raises(KeysAway) as away:
            keys.find_key("rsa1")
    assert away.value.retryable
    # One look at it, not five: an issuer in trouble is left alone for a while.
    assert issuer.asked == 1


def test_an_issuer_that_drips_is_given_up(issuer: Issuer, monkeypatch):
    monkeypatch.setattr(signing_keys, "FETCH_SECONDS", 0.5)
    issuer.answer = "drip"
    begin = time.monotonic()
    with pytest.raises(KeysAway):
        SigningKeys(issuer.url).find_key("rsa1")
    assert time.monotonic() - begin < 3


def test_nobody_listens():
    with run_issuer() as gone:
        pass
    with pytest.raises(KeysAway):
        SigningKeys(gone.url).find_key("rsa1")


def test_a_new_key_is_found_and_unknown_ones_cost_little(issuer: Issuer, monkeypatch):
    keys = SigningKeys(issuer.url)
    assert keys.find_key("rsa1")
    for number in range(20):
        assert keys.find_key(f"made-up-{number}") is None
    assert issuer.asked == 2
    monkeypatch.setattr(signing_keys, "RETRY_SECONDS", 0)
    monkeypatch.setattr(signing_keys, "UNKNOWN_KEY_SECONDS", 0)
    issuer.published = ["rsa2"]
    assert keys.find_key("rsa2")
    # The one that was withdrawn counts no longer.
    assert keys.find_key("rsa1") is None


def test_keys_outlive_an_issuer_that_is_away_but_not_for_ever(issuer: Issuer, monkeypatch):
    keys = SigningKeys(issuer.url)
    assert keys.find_key("rsa1")
    issuer.answer = "down"
    monkeypatch.setattr(signing_keys, "RETRY_SECONDS", 0)
    monkeypatch.setattr(signing_keys, "FRESH_SECONDS", 0)
    assert keys.find_key("rsa1")
    assert issuer.asked == 3
    monkeypatch.setattr(signing_keys, "KEPT_SECONDS", 0)
    with pytest.raises(KeysAway):
        keys.find_key("rsa1")


def test_who_comes_while_another_fetches_uses_the_keys_that_are_there(issuer: Issuer, monkeypatch):
    keys = SigningKeys(issuer.url)
    assert keys.find_key("rsa1")
    monkeypatch.setattr(signing_keys, "RETRY_SECONDS", 0)
    monkeypatch.setattr(signing_keys, "FRESH_SECONDS", 0)
    with keys._fetching:
        begin = time.monotonic()
        assert keys.find_key("rsa1")
        assert time.monotonic() - begin < 1


ODD_KEYS = {
    "for encryption": lambda: {**describe_key("rsa1"), "use": "enc"},
    "of another algorithm": lambda: {**describe_key("rsa1"), "alg": "PS256"},
    "named by a number": lambda: {**describe_key("rsa1"), "kid": 7},
    "a tiny modulus": lambda: {**describe_key("rsa1"), "n": "AQAB"},
    "no number": lambda: {**describe_key("rsa1"), "n": "?"},
    "a shared secret": lambda: {"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"},
    "off the curve": lambda: {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "kid": "off"},
    "1024 bits": lambda: describe_key("weak1"),
    "a text": lambda: "a text",
    "nothing": lambda: None,
}


@pytest.mark.parametrize("odd", ODD_KEYS)
def test_odd_keys_are_left_out_and_good_ones_stay(issuer: Issuer, monkeypatch, odd):
    monkeypatch.setattr(Issuer, "build_answer", answer_with([ODD_KEYS[odd](), describe_key("rsa2")]))
    keys = SigningKeys(issuer.url)
    assert keys.find_key("rsa2")
    assert list(keys._keys) == ["rsa2"]


def answer_with(listed):
    whole = Issuer.build_answer

    def build_answer(self, path):
        found = whole(self, path)
        return {**found, "keys": listed} if "keys" in found else found

    return build_answer


def test_a_list_without_a_good_key_or_with_too_many_is_refused(issuer: Issuer, monkeypatch):
    for listed in ([], [describe_key("weak1")], [describe_key("rsa1")] * 101, {"kid": "rsa1"}):
        monkeypatch.setattr(Issuer, "build_answer", answer_with(listed))
        with pytest.raises(KeysAway):
            SigningKeys(issuer.url).find_key("rsa1")
        monkeypatch.undo()
