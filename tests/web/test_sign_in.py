"""Signing in by the company's OpenID provider: the whole code flow, and everything that must not sign in."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import get_resolver

from orchestrator.core.models import AuditEntry
from orchestrator.web.roles import ROLES, write_groups
from tests.web.openid_provider import Provider, change_query, serve_provider

# About a way of authlib that only the provider uses.
pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ANN = {"email": "Ann@Example.org", "email_verified": True, "name": "Ann Bell", "groups": ["platform-sre"]}


@pytest.fixture(scope="module")
def served():
    with pytest.MonkeyPatch.context() as patch:
        # authlib, which the provider is made of, wants https elsewhere.
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        with serve_provider() as provider:
            yield provider


@pytest.fixture
def provider(served, db, settings) -> Provider:
    """The provider, and a service that knows it."""
    settings.OIDC_ISSUER = served.url
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "blocks", "s3cret"
    settings.OIDC_NAME = "Example ID"
    settings.OIDC_EMAIL_DOMAINS = ("example.org",)
    settings.OIDC_ROLES = {"platform-sre": "SRE", "everybody": "Viewer"}
    write_groups()
    served.is_away, served.change_answer = False, None
    served.set_person("ann", **ANN)
    return served


def press_button(client: Client, next_page: str = "/status/") -> str:
    """The address at the provider that the button leads to."""
    page = client.post("/login/openid/", {"next": next_page})
    assert page.status_code == 200
    return unescape(re.search(r'href="(http://127[^"]+)"', page.content.decode()).group(1))


def come_back(client: Client, address: str):
    parts = urlsplit(address)
    assert parts.path == "/login/openid/callback/"
    return client.get(f"{parts.path}?{parts.query}")


def sign_in(provider: Provider, client: Client | None = None, subject: str = "ann"):
    client = client or Client()
    return come_back(client, provider.log_in(press_button(client), subject))


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_the_whole_code_flow_makes_an_account_with_its_role(provider):
    client = Client()
    page = client.get("/login/?next=/status/").content.decode()
    assert "Sign in with Example ID" in page
    address = press_button(client)
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["nonce"][0]) >= 32
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    answer = come_back(client, provider.log_in(address, "ann"))
    assert (answer.status_code, answer["Location"]) == (302, "/status/")
    assert client.get("/admin/flows/flow/").status_code == 200
    ann = User.objects.get()
    assert (ann.email, ann.username, ann.first_name) == ("ann@example.org", "ann@example.org", "Ann")
    assert ann.is_staff
    assert not ann.is_superuser
    assert not ann.has_usable_password()
    assert [group.name for group in ann.groups.all()] == ["SRE"]
    # What could be used at the provider is not kept.
    assert not SocialToken.objects.exists()
    assert client.post("/logout/").status_code == 302
    assert client.get("/flows/").status_code == 302


def test_the_audit_trail_says_who_got_which_role_by_what(provider):
    sign_in(provider)
    given = AuditEntry.objects.get(subject="auth_user_groups")
    assert (given.actor, given.reason) == ("ann@example.org", "what the OpenID provider says at the sign-in")


def test_a_second_sign_in_is_the_same_account_and_follows_the_address(provider):
    sign_in(provider)
    provider.set_person("ann", **ANN | {"email": "ann.bell@example.org"})
    assert sign_in(provider).status_code == 302
    assert User.objects.get().email == "ann.bell@example.org"


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": ["everybody"]},
        {"groups": []},
        {"groups": None},
        {"groups": {"platform-sre": True}},
        {"groups": ["platform-sre"] * 2001},
    ],
)
def test_who_has_left_the_group_has_lost_its_rights(provider, claims):
    client = Client()
    sign_in(provider, client)
    ann = User.objects.get()
    # What was given by hand, beside the roles of the settings, stays.
    ann.groups.add(Group.objects.create(name="Choir"))
    provider.set_person("ann", **ANN | claims)
    sign_in(provider, client)
    left = {"Choir"} | ({"Viewer"} if claims["groups"] == ["everybody"] else set())
    assert {group.name for group in User.objects.get().groups.all()} == left
    assert not User.objects.get().has_perm("flows.change_flow")


def test_without_any_group_the_admin_is_closed(provider):
    client = Client()
    sign_in(provider, client)
    provider.set_person("ann", **ANN | {"groups": ["somebody-else"]})
    sign_in(provider, client)
    assert not User.objects.get().is_staff
    assert client.get("/admin/").status_code == 302


def test_a_single_group_as_text_counts(provider):
    provider.set_person("ann", **ANN | {"groups": "platform-sre"})
    sign_in(provider)
    assert User.objects.get().groups.get().name == "SRE"


def test_without_a_map_nobodys_groups_are_touched(provider, settings):
    settings.OIDC_ROLES = {}
    sign_in(provider)
    ann = User.objects.get()
    assert not ann.groups.exists()
    ann.groups.add(Group.objects.get(name="Viewer"))
    sign_in(provider)
    assert ann.groups.get().name == "Viewer"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"email_verified": False}, "not verified"),
        ({"email_verified": None}, "not verified"),
        ({"email": None}, "not verified"),
        ({"email": "ann@example.org.evil.test"}, "example.org.evil.test may not sign in"),
        ({"email": "ann@evil.test"}, "evil.test may not sign in"),
        ({"email": "ann@sub.example.org"}, "sub.example.org may not sign in"),
    ],
)
def test_who_is_not_of_the_company_is_refused(provider, claims, words):
    provider.set_person("ann", **ANN | claims)
    client = Client()
    answer = sign_in(provider, client)
    assert answer.status_code == 403
    assert words in answer.content.decode()
    assert not is_signed_in(client)
    assert not User.objects.exists()


def test_a_wrong_state_is_refused_and_so_is_none(provider):
    client = Client()
    address = provider.log_in(press_button(client), "ann")
    for changed in (change_query(address, state="abc"), change_query(address, state="")):
        assert come_back(client, changed).status_code == 403
    assert client.get("/login/openid/callback/").status_code == 403
    # That of another browser, too: the link of somebody else signs nobody in.
    assert come_back(Client(), address).status_code == 403
    assert not is_signed_in(client)


def test_a_wrong_nonce_is_refused(provider):
    client = Client()
    address = change_query(press_button(client), nonce="another-one")
    answer = come_back(client, provider.log_in(address, "ann"))
    assert answer.status_code == 403
    assert "for another sign-in" in answer.content.decode()
    assert not is_signed_in(client)


def test_a_replayed_answer_and_a_replayed_code_are_refused(provider):
    client = Client()
    address = provider.log_in(press_button(client), "ann")
    assert come_back(client, address).status_code == 302
    client.logout()
    assert come_back(client, address).status_code == 403
    other = Client()
    fresh = provider.log_in(press_button(other), "ann")
    used = parse_qs(urlsplit(address).query)["code"][0]
    assert come_back(other, change_query(fresh, code=used)).status_code == 403
    assert not is_signed_in(other)


def read_claims(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.parametrize(
    "spoil", ["signature", "unsigned", "shared secret", "another key", "missing", "person"]
)
def test_an_id_token_that_does_not_hold_signs_nobody_in(provider, spoil):
    """As if somebody between us and the provider had changed it."""

    def change(path: str, answer: dict) -> dict:
        if path == "/userinfo":
            return answer | ({"sub": "eve"} if spoil == "person" else {})
        token = answer["id_token"]
        match spoil:
            case "signature":
                answer["id_token"] = token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB")
            case "unsigned":
                answer["id_token"] = jwt.encode(read_claims(token), "", algorithm="none")
            case "shared secret":
                answer["id_token"] = jwt.encode(read_claims(token), "s3cret" * 8, algorithm="HS256")
            case "another key":
                answer["id_token"] = jwt.encode(read_claims(token), OTHER_KEY, algorithm="RS256")
            case "missing":
                del answer["id_token"]
        return answer

    provider.change_answer = change
    client = Client()
    answer = sign_in(provider, client)
    assert answer.status_code == 403
    assert not is_signed_in(client)
    assert not User.objects.exists()


def test_a_code_of_another_browser_does_not_fit_the_verifier(provider):
    """Somebody who puts their own code into a victim's answer would sign the victim in as themselves."""
    client, attacker = Client(), Client()
    mine = provider.log_in(press_button(client), "ann")
    theirs = provider.log_in(press_button(attacker), "ann")
    injected = change_query(mine, code=parse_qs(urlsplit(theirs).query)["code"][0])
    assert come_back(client, injected).status_code == 403
    assert not is_signed_in(client)


def test_who_says_no_there_is_told_so(provider):
    client = Client()
    address = press_button(client)
    refused = provider.log_in(address, "ann", action="deny")
    # RFC 6749, 4.1.2.1, has the state in this answer as well; this provider leaves it out.
    refused = change_query(refused, state=parse_qs(urlsplit(address).query)["state"][0])
    answer = come_back(client, refused)
    assert answer.status_code == 403
    assert "You have not signed in" in answer.content.decode()


def test_a_provider_that_is_away_is_told_with_a_cure(provider):
    client = Client()
    address = provider.log_in(press_button(client), "ann")
    provider.is_away = True
    for answer in (client.post("/login/openid/"), come_back(client, address)):
        assert answer.status_code == 502
        assert "signin:provider-away" in answer.content.decode()
    assert not is_signed_in(client)


def test_a_description_of_another_issuer_is_not_believed(provider, settings):
    settings.OIDC_ISSUER = provider.url.replace("127.0.0.1", "localhost")
    # The provider names itself as it was called; asked by another name it is another issuer.
    settings.OIDC_ISSUER += "/.well-known/openid-configuration?"
    answer = Client().post("/login/openid/")
    assert answer.status_code == 502
    assert "names another issuer" in answer.content.decode()


def test_the_one_account_of_the_address_is_taken_over_and_an_administrators_is_not(provider):
    known = User.objects.create_user("bell", "ann@example.org")
    assert sign_in(provider).status_code == 302
    assert SocialAccount.objects.get().user == known
    User.objects.create_superuser("root", "root@example.org", "pw")
    provider.set_person("eve", **ANN | {"email": "root@example.org"})
    refused = sign_in(provider, subject="eve")
    assert refused.status_code == 403
    assert "administrator" in refused.content.decode()


def test_two_accounts_of_one_address_are_for_an_sre_to_sort_out(provider):
    User.objects.create_user("bell", "ann@example.org")
    User.objects.create_user("belle", "ANN@example.org")
    assert "several accounts" in sign_in(provider).content.decode()
    assert not SocialAccount.objects.exists()


def test_a_new_address_that_somebody_else_has_is_refused(provider):
    sign_in(provider)
    User.objects.create_user("bob", "bob@example.org")
    provider.set_person("ann", **ANN | {"email": "bob@example.org"})
    assert "another account has" in sign_in(provider).content.decode()


def test_who_is_switched_off_stays_out(provider):
    sign_in(provider)
    User.objects.update(is_active=False)
    client = Client()
    assert "switched off" in sign_in(provider, client).content.decode()
    assert not is_signed_in(client)


def test_the_button_is_a_form_and_leads_back_to_our_own_pages_only(provider):
    client = Client(enforce_csrf_checks=True)
    assert client.get("/login/openid/").status_code == 405
    assert client.post("/login/openid/").status_code == 403
    client = Client()
    answer = come_back(client, provider.log_in(press_button(client, "https://evil.test/"), "ann"))
    assert answer["Location"] == "/flows/"


def test_without_the_settings_nothing_is_there(db):
    client = Client()
    assert "Sign in with" not in client.get("/login/").content.decode()
    assert client.post("/login/openid/").status_code == 404
    assert client.get("/login/openid/callback/?code=1&state=2").status_code == 404


def test_none_of_allauths_own_pages_is_served(db):
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    assert not {name for name in names if name.startswith(("account_", "socialaccount_"))}


def test_the_settings_know_each_role():
    source = (Path(__file__).parents[2] / "orchestrator" / "settings.py").read_text(encoding="utf-8")
    choices = re.search(r'read_choices\("OIDC_ROLES", \((.*?)\)\)', source).group(1)
    assert tuple(re.findall(r'"([^"]+)"', choices)) == tuple(ROLES)
