"""What the doctor says of Redis: one server, and real Sentinels with TLS whose parts are taken away."""

import pytest
import redis

from orchestrator.ops.doctor import broker
from orchestrator.ops.doctor.finding import FindingState, ServerFinding
from tests.redis_sentinel import PASSWORDS, has_tls, run_redis_under_sentinels, wait_for

with_tls = pytest.mark.skipif(
    not has_tls(), reason="redis-server with TLS is missing: apt install redis-server"
)


def examine() -> dict[str, ServerFinding]:
    """What was found, by its name."""
    return {one.name: one for one in broker.examine_broker()}


def test_one_server_is_judged_by_how_it_keeps_messages(settings):
    found = examine()
    assert list(found) == ["redis tls", "redis"]
    assert found["redis tls"].found == "none: it is on this machine"
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        was = client.config_get("maxmemory-policy")["maxmemory-policy"]
        try:
            client.config_set("maxmemory-policy", "allkeys-lru")
            assert examine()["redis"].state == FindingState.WRONG
            client.config_set("maxmemory-policy", "noeviction")
            assert "noeviction" in examine()["redis"].found
        finally:
            client.config_set("maxmemory-policy", was)


def test_a_server_that_is_away_and_one_in_clear_are_told(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert examine()["redis"].found == "does not answer: ConnectionError"
    settings.REDIS_URL = "redis://10.255.255.1:6379/0"
    assert next(broker.examine_broker()).state == FindingState.NOTE


@pytest.mark.slow
@with_tls
def test_sentinels_are_judged_by_whether_somebody_could_take_over(tmp_path, settings):
    with run_redis_under_sentinels(tmp_path) as servers:
        settings.REDIS_URL = servers.url
        wait_for(lambda: examine()["redis replicas"].state == FindingState.OK, "a replica that follows")
        found = examine()
        assert {one.state for one in found.values()} == {FindingState.OK}, found
        assert found["sentinels"].found == "3 of 3 answer, 2 must agree on a failover"
        assert found["redis replicas"].found.startswith("1 of 1 follow 127.0.0.1:")
        assert str(servers.ca) in found["redis tls"].found
        (primary,) = [one.found for one in found.values() if ", master," in one.found]
        assert primary.endswith("noeviction, messages are kept over a restart")

        servers.kill("redis2")
        wait_for(lambda: examine()["redis replicas"].state == FindingState.WRONG, "a lonely primary")
        servers.kill("sentinel1")
        assert examine()["sentinels"].state == FindingState.NOTE
        servers.kill("sentinel2")
        wait_for(lambda: examine()["sentinels"].state == FindingState.WRONG, "no quorum")
        servers.kill("sentinel3")
        gone = examine()
        assert gone["sentinels"].found == "none of 3 knows blocks"
        assert not any(password in str(gone) for password in PASSWORDS.values())
