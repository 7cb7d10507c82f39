"""``REDIS_URL``: what it may be, and what is said of one that it may not be."""

import ssl

import pytest
from django.core.exceptions import ImproperlyConfigured

from orchestrator.broker_address import parse_broker_url


def test_one_server_is_taken_as_it_is():
    for url in ("redis://:pw@h:6379/1", "unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock"):
        found = parse_broker_url(url)
        assert (found.celery_url(), found.sentinels, found.tls_options()) == (url, (), {})
    found = parse_broker_url("rediss://h:6380/0?ssl_ca_certs=/etc/ca.pem")
    assert found.tls_options() == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_ca_certs": "/etc/ca.pem",
    }


def test_sentinels_are_named_in_one_address():
    found = parse_broker_url(
        "sentinel+tls://me:p%40%3As@a:1,b,[::1]:3/2?master=m&ssl_ca_certs=/ca.pem&sentinel_password=x%26y"
    )
    assert found.sentinels == (("a", 1), ("b", 26379), ("::1", 3))
    assert (found.user, found.password, found.database, found.master) == ("me", "p@:s", 2, "m")
    assert found.celery_url().split(";")[:2] == [
        "sentinel://me:p%40%3As@a:1/2",
        "sentinel://me:p%40%3As@b:26379/2",
    ]
    options = found.sentinel_options({"socket_timeout": 3})
    assert options["password"] == "x&y"
    assert options["ssl"] is True
    assert options["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    plain = parse_broker_url("sentinel://a:1/0?master=m")
    assert plain.sentinel_options({"socket_timeout": 3}) == {"socket_timeout": 3}
    assert plain.celery_url() == "sentinel://a:1/0"


@pytest.mark.parametrize("url", ["rediss://h:6380/0?", "sentinel+tls://a:1/0?master=m&"])
def test_the_authority_of_the_settings_is_that_of_an_address_that_names_none(url):
    assert parse_broker_url(url, "/shared.pem").tls_options()["ssl_ca_certs"] == "/shared.pem"
    own = parse_broker_url(f"{url}ssl_ca_certs=/own.pem", "/shared.pem")
    assert own.tls_options()["ssl_ca_certs"] == "/own.pem"
    assert parse_broker_url("redis://h:6379/0", "/shared.pem").tls_options() == {}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sentinel://a:1/0", "names no primary"),
        ("sentinel://a:1/x?master=m", "a number"),
        ("sentinel://a:x/0?master=m", "not host:port"),
        ("sentinel://pw@/0?master=m", "not host:port"),
        ("sentinel://a:1/0?master=m&ssl_cert_reqs=none", "has ssl_cert_reqs"),
    ],
)
def test_a_mistake_is_named_without_the_value(url, words):
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        parse_broker_url(url)
    assert "pw" not in str(caught.value)
