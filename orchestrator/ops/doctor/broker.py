"""The broker: one server, or the primary that Sentinels name with its replicas."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.broker_address import BrokerAddress, parse_broker_url
from orchestrator.core.broker_client import open_broker
from orchestrator.ops.doctor.finding import ServerFinding, find_note, find_ok, find_wrong

_SECONDS: Final = 3.0
_TIMES: Final[dict[str, Any]] = {
    "socket_timeout": _SECONDS,
    "socket_connect_timeout": _SECONDS,
    "retry": Retry(NoBackoff(), 0),
}
# From here to here nobody listens in.
_HERE: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
_FAILURES: Final = (redis.RedisError, OSError)


def examine_broker() -> Iterator[ServerFinding]:
    """How it is reached, who watches it, and how each server keeps messages."""
    address = parse_broker_url(settings.REDIS_URL, settings.SERVERS_CA_FILE)
    yield _examine_tls(address)
    if address.sentinels:
        yield from _examine_sentinels(address)
        return
    try:
        with open_broker(_SECONDS) as client:
            yield _examine_server("redis", client, "master")
    except _FAILURES as error:
        yield find_wrong("redis", f"does not answer: {type(error).__name__}", _describe_cure())


def _describe_cure() -> str:
    return "Look whether it runs and lets this process in; REDIS_URL says where it is."


def _examine_tls(address: BrokerAddress) -> ServerFinding:
    if address.tls:
        by = address.ca_file or "the machine's authorities"
        return find_ok("redis tls", f"certificates are checked by {by}")
    # A socket has no host.
    hosts = {host for host, _ in address.sentinels} or {urlsplit(address.url).hostname or ""}
    if hosts <= _HERE:
        return find_ok("redis tls", "none: it is on this machine")
    cure = "Use rediss:// or sentinel+tls:// in REDIS_URL; docs/operate/redis.md has the server's side."
    return find_note("redis tls", "none: messages and the password cross the network in clear", cure)


@dataclass(frozen=True, slots=True)
class SentinelView:
    """What one Sentinel says: where the primary and its replicas are, and how many Sentinels must agree."""

    primary: tuple[str, int]
    replicas: tuple[dict[str, Any], ...]
    quorum: int
    can_fail_over: bool


def _examine_sentinels(address: BrokerAddress) -> Iterator[ServerFinding]:
    asked = [_read_view(address, place) for place in address.sentinels]
    views = [view for view in asked if view is not None]
    yield _judge_sentinels(address, views)
    if not views:
        return
    # Where they disagree nobody can say whose replicas to look at.
    primaries = {view.primary for view in views}
    if len(primaries) > 1:
        said = ", ".join(sorted(f"{host}:{port}" for host, port in primaries))
        cure = "Wait for a failover to end; if it stays so, reset the Sentinels that are wrong."
        yield find_wrong("redis primary", f"Sentinels name several: {said}", cure)
        return
    yield _judge_replicas(views[0])
    yield _examine_place(address, views[0].primary, "master")
    for one in views[0].replicas:
        if _is_followed(one):
            yield _examine_place(address, (str(one["ip"]), int(one["port"])), "slave")


def _read_view(address: BrokerAddress, place: tuple[str, int]) -> SentinelView | None:
    options = address.sentinel_options(_TIMES)
    try:
        with redis.Redis(host=place[0], port=place[1], decode_responses=True, **options) as client:
            said: dict[str, Any] = client.sentinel_master(address.master)
            followers: list[dict[str, Any]] = client.sentinel_slaves(address.master)
            # Sentinel counts by itself who is in touch: for a majority, and for the quorum.
            try:
                can_fail_over = bool(client.execute_command("SENTINEL", "CKQUORUM", address.master))
            except redis.ResponseError:
                can_fail_over = False
    except _FAILURES:
        return None
    primary = (str(said["ip"]), int(said["port"]))
    return SentinelView(primary, tuple(followers), int(said["quorum"]), can_fail_over)


def _judge_sentinels(address: BrokerAddress, views: list[SentinelView]) -> ServerFinding:
    named = len(address.sentinels)
    if not views:
        return find_wrong("sentinels", f"none of {named} knows {address.master}", _describe_cure())
    words = f"{len(views)} of {named} answer, {views[0].quorum} must agree on a failover"
    if not all(view.can_fail_over for view in views):
        cure = "Start the missing Sentinels: nobody would replace the primary now."
        return find_wrong("sentinels", f"{words}, and too few are in touch for that", cure)
    if len(views) < named:
        return find_note("sentinels", words, "Start the others, or name only those that there are.")
    return find_ok("sentinels", words)


def _judge_replicas(view: SentinelView) -> ServerFinding:
    following = sum(map(_is_followed, view.replicas))
    words = f"{following} of {len(view.replicas)} follow {view.primary[0]}:{view.primary[1]}"
    if not following:
        return find_wrong(
            "redis replicas", words, "Start a replica: nothing could take over from the primary."
        )
    if following < len(view.replicas):
        cure = "Start the others, or run SENTINEL RESET for one that is gone for good."
        return find_note("redis replicas", words, cure)
    return find_ok("redis replicas", words)


def _is_followed(replica: dict[str, Any]) -> bool:
    # The first is what this Sentinel thinks, the second what enough of them do.
    is_down = bool(replica.get("is_sdown") or replica.get("is_odown") or replica.get("is_disconnected"))
    return not is_down and replica.get("master-link-status") == "ok"


def _examine_place(address: BrokerAddress, place: tuple[str, int], role: str) -> ServerFinding:
    name = f"redis {place[0]}:{place[1]}"
    options: dict[str, Any] = dict(_TIMES)
    if address.password:
        options |= {"username": address.user or None, "password": address.password}
    if address.tls:
        options |= {"ssl": True, **address.tls_options()}
    try:
        with redis.Redis(host=place[0], port=place[1], **options) as client:
            return _examine_server(name, client, role)
    except _FAILURES as error:
        return find_wrong(name, f"does not answer: {type(error).__name__}", _describe_cure())


def _examine_server(name: str, client: "redis.Redis", role: str) -> ServerFinding:
    """One server; the primary's settings are those of a replica on the day when it takes over."""
    said: dict[str, Any] = client.info()
    policy, is_kept = said.get("maxmemory_policy", ""), bool(said.get("aof_enabled"))
    words = f"Redis {said['redis_version']}, {said['role']}, {policy}"
    words += ", messages are kept over a restart" if is_kept else ", messages are lost by a restart"
    # A replica that was promoted a moment ago, or a primary that came back as a replica.
    if said["role"] != role:
        return find_wrong(name, words, "Wait for a failover to end; then run this again.")
    # The messages that go first are the oldest: work that waits longest.
    if policy != "noeviction":
        cure = "Set maxmemory-policy noeviction: a full server would throw messages away."
        return find_wrong(name, words, cure)
    if is_kept and said.get("aof_last_write_status") != "ok":
        return find_wrong(
            name, f"{words}, but the last write failed", "Look at the server's disk and its log."
        )
    if not is_kept:
        return find_note(name, words, "Set appendonly yes; what is lost is only sent later.")
    return find_ok(name, words)
