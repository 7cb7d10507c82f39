"""Where a repo may be cloned from: what is taken, what is refused, at every door."""

import socket
from io import StringIO

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from orchestrator.repos import clone_urls
from orchestrator.repos.clone_urls import CloneUrlRefused, parse_clone_url, resolve_addresses
from orchestrator.repos.models import Repo
from tests.rest.conftest import as_token, operator  # noqa: F401 - fixtures


@pytest.mark.parametrize(
    ("url", "given_to_git"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("HTTPS://GitHub.com:443/A/b", "https://github.com/A/b"),
        ("https://git.example.org:8443/x/y/z", "https://git.example.org:8443/x/y/z"),
    ],
)
def test_what_is_taken_has_one_form(url: str, given_to_git: str) -> None:
    assert str(parse_clone_url(url)) == given_to_git
    assert str(parse_clone_url(given_to_git)) == given_to_git


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "https://",
            "https://host",
            "https://host/",
            "//host/x",
            "host/x",
            "/etc/passwd",
            "file:///etc",
            "ftp://host/x",
        ),
        *(
            "http://host/x",
            "git://host/x",
            "ssh://git@host/x",
            "git@host:x",
            "ext::sh -c id",
            "-uhttps://host/x",
        ),
        *(
            "https://user:pw@host/x",
            "https://token@host/x",
            "https://host/x@y",
            "https://host/x?y",
            "https://host/x#y",
        ),
        *(
            "https://host\\@evil/x",
            "https://ho st/x",
            "https://host/x\n",
            "https://host/a/../b",
            "https://host./x",
            "https://höst/x",
        ),
        *(
            "https://host:0/x",
            "https://host:65536/x",
            "https://host:1:2/x",
            "https://[::1%25lo]/x",
            "https://[host]/x",
        ),
        *(
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/x",
            "https://10.0.0.1/x",
            "https://[::ffff:10.0.0.1]/x",
        ),
        *(
            "https://[64:ff9b::a00:1]/x",
            "https://[2002:a00:1::]/x",
            "https://100.64.0.1/x",
            "https://0.0.0.0/x",
            "https://[fe80::1]/x",
        ),
        *(
            "https://[::7f00:1]/x",
            "https://[::ffff:0:7f00:1]/x",
            "https://[64:ff9b:1::a00:1]/x",
            "https://[fec0::1]/x",
            "https://192.88.99.1/x",
            "https://192.0.0.8/x",
            "https://[3fff::1]/x",
        ),
    ],
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(CloneUrlRefused) as refused:
        parse_clone_url(url)
    assert refused.value.cure
    assert "pw" not in f"{refused.value} {refused.value.cure}"


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["2606:2800:220:1::1", "fd00::1"],
        ["224.0.0.1"],
        ["::ffff:169.254.169.254"],
    ],
)
def test_one_address_that_is_not_public_is_one_too_many(
    found: list[str], monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in found]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    with pytest.raises(CloneUrlRefused, match="not public") as refused:
        resolve_addresses(parse_clone_url("https://git.example.org/a/b"))
    assert "CLONE_PRIVATE_HOSTS" in refused.value.cure
    settings.CLONE_PRIVATE_HOSTS = frozenset({"git.example.org"})
    assert resolve_addresses(parse_clone_url("https://git.example.org/a/b")) == tuple(sorted(found))


def test_http_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    settings.CLONE_PRIVATE_HOSTS = frozenset({"127.0.0.1", "git.example.org"})
    assert resolve_addresses(parse_clone_url("http://127.0.0.1:8080/a")) == ("127.0.0.1",)
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *given, **more: answer)
    with pytest.raises(CloneUrlRefused, match="http is for this machine"):
        resolve_addresses(parse_clone_url("http://git.example.org/a"))


def test_every_door_checks(db: None, operator) -> None:  # noqa: F811
    bad, good = "https://user:pw@host/x", "https://git.example.org/a/b.git"
    with pytest.raises(CommandError, match="Leave user and password out"):
        call_command("register_repo", "one", "--clone-url", bad, stdout=StringIO())
    answer = operator.post("/api/v1/repos/", {"name": "one", "clone_url": bad}, format="json")
    assert (answer.status_code, "Leave user and password out" in answer.content.decode()) == (422, True)
    sre = Client()
    sre.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    page = "/admin/repos/repo/add/"
    form = {"name": "one", "phase": "org"}
    for rows in ("setting_rows", "memberships"):
        form |= {f"{rows}-TOTAL_FORMS": "0", f"{rows}-INITIAL_FORMS": "0"}
    assert "Leave user and password out" in sre.post(page, form | {"clone_url": bad}).content.decode()
    assert not Repo.objects.exists()
    call_command("register_repo", "one", "--clone-url", good, stdout=StringIO())
    assert (
        operator.post("/api/v1/repos/", {"name": "two", "clone_url": good}, format="json").json()["clone_url"]
        == good
    )
    assert sre.post(page, form | {"name": "three", "clone_url": good}).status_code == 302
    assert list(Repo.objects.values_list("clone_url", flat=True)) == [good] * 3
