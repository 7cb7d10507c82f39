"""Webhooks: every kind of event, the log, replay, test, rotation; receivers slow, away or hostile."""

import itertools
import json
import re
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from onboarding import engine as onboarding_engine
from orchestrator.core import outbox
from orchestrator.core.models import OutgoingEvent
from orchestrator.ops.notifications import delivery, happenings, schedule, webhook_turns
from orchestrator.ops.notifications.models import DeliveryAttempt, Notification, Subscription, Topic
from orchestrator.ops.notifications.webhook_secret import read_secret
from orchestrator.repos import clone_urls, tokens
from tests import scenes
from tests.onboarding.steps import ask_for
from tests.ops.notifications.receiver import Receiver, run_receiver
from tests.rest.test_create import read_problem

URL = "/api/v1/webhooks/"
DOCS = Path(__file__).parents[3] / "docs/how-to/receive-webhooks.md"


@pytest.fixture(autouse=True)
def worker(settings, transactional_db, monkeypatch):
    """A worker that gets each task at once, and loopback as a host that operators have named."""
    monkeypatch.setattr(delivery.app, "send_task", lambda _, args, **__: delivery.deliver(*args))
    settings.CLONE_PRIVATE_HOSTS = frozenset({"127.0.0.1"})


@pytest.fixture
def receiver():
    with run_receiver() as running:
        yield running


def hold(owner=None, **fields) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token('owner', owner, **fields)[1]}")
    return client


def subscribe(receiver: Receiver, *topics: str, **fields) -> Subscription:
    return Subscription.objects.create(
        notifier="webhook", target=receiver.url, topics=list(topics) or Topic.values, **fields
    )


def verify(request: bytes, secret: str) -> dict:
    """The body of a request that a receiver got, checked by the standard's library."""
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    # Values keep their case.
    headers["webhook-signature"] = re.search(r"(?i)^webhook-signature: (.*)$", head.decode(), re.M)[1].strip()
    found: dict = Webhook(secret).verify(body.decode(), headers)
    return found


def deliver_everything() -> None:
    for _ in range(4):
        OutgoingEvent.objects.update(due_at=timezone.now())
        outbox.deliver_due_events()


def write(subscription: Subscription, number: int = 1) -> list[Notification]:
    return [
        delivery.notify("webhook", subscription.target, json.dumps({"n": n}), subscription=subscription)
        for n in range(number)
    ]


# --- what is told


def test_a_flow_a_block_and_its_gates_are_told(receiver):
    repo = scenes.make_repo()
    mine = subscribe(receiver, "flow.passed", "block.sealed", "gate.passed", "gate.failed", repo=repo)
    flow = scenes.run_through(scenes.make_flow(repo))
    deliver_everything()
    bodies = [verify(request, read_secret(mine)) for request in receiver.requests]
    by_topic: dict[str, list[dict]] = {}
    for body in bodies:
        by_topic.setdefault(body["type"], []).append(body["data"])
    assert set(by_topic) == {"flow.passed", "block.sealed", "gate.passed"}
    (block,) = by_topic["block.sealed"]
    assert (block["flow_id"], block["name"], block["version"]) == (flow.pk, flow.block.name, 1)
    assert sorted(gate["gate"] for gate in by_topic["gate.passed"]) == sorted(
        flow.gate_results.values_list("gate", flat=True)
    )
    assert APIClient().get(block["block"]).status_code == 401
    assert hold(repo).get(block["block"]).status_code in {200, 404}


def test_a_gate_that_failed_is_told_with_its_cure(receiver):
    mine = subscribe(receiver, "gate.failed")
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    deliver_everything()
    bodies = [verify(request, read_secret(mine))["data"] for request in receiver.requests]
    failed = [body for body in bodies if body["gate"] == "mutation"]
    assert failed
    assert all(body["verdict"] in {"failed", "errored"} for body in bodies)
    assert failed[0]["cure"]


def test_verdicts_that_nobody_asked_for_write_nothing(receiver):
    subscribe(receiver, "gate.failed", repo=scenes.make_repo("other"))
    subscribe(receiver, "gate.failed", is_active=False)
    subscribe(receiver, "flow.failed")
    subscribe(receiver, "gate.failed")
    scenes.run_through(scenes.make_flow())
    assert not OutgoingEvent.objects.filter(subscriber__startswith="gate.").exists()


def test_onboarding_is_told_to_the_organisation(receiver):
    mine = subscribe(receiver, "onboarding.requested", "onboarding.approved", "onboarding.rejected")
    of_repo = subscribe(receiver, "onboarding.requested", repo=scenes.make_repo("other"))
    onboarding_engine.approve(ask_for("auth-service").pk, actor="sre")
    onboarding_engine.reject(ask_for("late-service").pk, actor="sre")
    deliver_everything()
    bodies = [verify(request, read_secret(mine)) for request in receiver.requests]
    assert [body["type"] for body in bodies] == [
        "onboarding.requested",
        "onboarding.approved",
        "onboarding.requested",
        "onboarding.rejected",
    ]
    assert bodies[1]["data"]["repo"] == "auth-service"
    assert bodies[1]["data"]["decided_by"] == "sre"
    assert not Notification.objects.filter(subscription=of_repo).exists()


@pytest.mark.parametrize("topic", [t for t in Topic if t.value.partition(".")[0] in {"incident", "rollback"}])
def test_what_is_announced_is_told_in_its_transaction(receiver, topic):
    repo = scenes.make_repo()
    mine, of_repo = subscribe(receiver, topic), subscribe(receiver, topic, repo=repo)
    with transaction.atomic():
        happenings.announce(topic, {"title": "It did not happen."})
        transaction.set_rollback(True)
    with transaction.atomic():
        happenings.announce(topic, {"title": "For the organisation."})
    with transaction.atomic():
        happenings.announce(topic, {"title": "For the repo.", "repo": repo.name}, repo=repo)
    deliver_everything()
    assert list_titles(mine) == ["For the organisation.", "For the repo."]
    assert list_titles(of_repo) == ["For the repo."]


def list_titles(hook: Subscription) -> list[str]:
    rows = Notification.objects.filter(subscription=hook)
    return sorted(json.loads(row.body)["data"]["title"] for row in rows)


def test_what_comes_twice_is_told_once(receiver):
    subscribe(receiver, "incident.opened")
    with transaction.atomic():
        happenings.announce(Topic.INCIDENT_OPENED, {"title": "P1"})
    event = OutgoingEvent(subscriber="x", payload=happenings_payload())
    for _ in range(2):
        outbox.SUBSCRIBERS.get("announced/subscriptions")(event)
    deliver_everything()
    assert Notification.objects.filter(subject="incident.opened").count() == 2


def happenings_payload() -> dict:
    return {
        "key": "2f1c",
        "topic": "incident.opened",
        "at": timezone.now().isoformat(),
        "repo": None,
        "facts": {"title": "The same one."},
    }


def test_people_read_a_sentence(receiver, settings):
    Subscription.objects.create(notifier="email", target="lead@example.org", topics=["gate.failed"])
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    deliver_everything()
    text = Notification.objects.filter(notifier="email").first()
    assert text.subject == "[Blocks Orchestrator] gate.failed"
    assert text.body.startswith("gate.failed in compliance-service: ")


# --- hostile and slow receivers


@pytest.mark.parametrize(
    ("how", "result"),
    [
        ({"answer": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"}, "answers 302"),
        ({"answer": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\nsecret"}, "answers 400"),
        ({"answer": b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"}, "answers 503"),
        ({"answer": b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n"}, "answers 429"),
        ({"answer": b"no HTTP at all\r\n\r\n"}, "cannot be reached"),
        ({"answer": b""}, "cannot be reached"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_answers_that_are_no_success(how, result):
    with run_receiver(**how) as running:
        (message,) = write(subscribe(running))
        message.refresh_from_db()
        assert message.status in {"waiting", "given_up"}
        assert result in message.error_message
        # What a server says does not reach those who chose its address.
        assert "secret" not in message.error_message
        assert len(running.requests) == 1


def test_an_endless_answer_is_cut_off():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    with run_receiver(answer=head, endless=b"x" * 65536) as running:
        (message,) = write(subscribe(running))
        message.refresh_from_db()
        assert message.status == "sent"
        # What fits into the buffers of the connection, and no more.
        time.sleep(0.2)
        assert running.sent_bytes < 20_000_000


def test_a_receiver_that_drips_ends_with_the_time(monkeypatch):
    monkeypatch.setattr("orchestrator.ops.notifications.notifiers.webhook.TIMEOUT_SECONDS", 0.6)
    slow = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500 + b"\r\n\r\n"
    with run_receiver(answer=slow, pause=0.1) as running:
        begin = time.monotonic()
        (message,) = write(subscribe(running))
        assert time.monotonic() - begin < 3
        message.refresh_from_db()
        assert (message.status, message.attempts) == ("waiting", 1)
        assert "ReadTimeout" in message.error_message


def test_the_call_goes_to_the_address_that_was_checked(receiver, monkeypatch, settings):
    """The name server gives another answer at the second question."""
    settings.CLONE_PRIVATE_HOSTS = frozenset({"hooks.example.org"})
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked = []

    def resolve(host, port, *_, **__):
        asked.append(host)
        found = answers[min(len(asked), 2) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        clone_urls.socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve(host, *a, **k) if host == "hooks.example.org" else real(host, *a, **k),
    )
    target = f"http://hooks.example.org:{receiver.port}/hook"
    hook = Subscription.objects.create(notifier="webhook", target=target, topics=["flow.passed"])
    (message,) = write(hook)
    message.refresh_from_db()
    assert message.status == "sent"
    assert asked == ["hooks.example.org"]
    assert f"host: hooks.example.org:{receiver.port}".encode() in receiver.requests[0].lower()


@pytest.mark.parametrize(
    "address",
    ["10.0.0.8", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.8", "64:ff9b::a00:8", "0.0.0.0"],
)
def test_a_name_that_leads_inside_is_not_called(monkeypatch, settings, address):
    settings.CLONE_PRIVATE_HOSTS = frozenset()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    both = [(family, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("93.184.215.14", address)]
    monkeypatch.setattr(clone_urls.socket, "getaddrinfo", lambda *_, **__: both)
    called = []
    monkeypatch.setattr(
        "orchestrator.ops.notifications.notifiers.webhook.call_outside", lambda *_, **__: called.append(1)
    )
    hook = Subscription.objects.create(
        notifier="webhook", target="https://in.example.org/x", topics=["flow.passed"]
    )
    (message,) = write(hook)
    message.refresh_from_db()
    assert (message.status, called) == ("given_up", [])
    assert "not public" in message.error_message


def test_a_slow_receiver_holds_up_no_other(receiver, settings):
    settings.WEBHOOKS_AT_ONCE = 4
    with run_receiver(may_answer=threading.Event()) as slow:
        hook = subscribe(slow)
        with transaction.atomic():
            waiting = write(hook, 5)
            # Nothing is sent before the commit, so that the tasks below come at once.
            tasks = [message.pk for message in waiting]
            transaction.set_rollback(False)
            OutgoingEvent.objects.all().delete()

        def run(number: int) -> None:
            try:
                delivery.deliver(number)
            finally:
                connection.close()

        with ThreadPoolExecutor(5) as pool:
            running = [pool.submit(run, number) for number in tasks]
            # Four of the five workers are free again although the receiver holds the first, and another
            # receiver gets its message.
            finished = itertools.islice(as_completed(running, timeout=60), 4)
            assert len(list(finished)) == 4
            (quick,) = write(subscribe(receiver))
            quick.refresh_from_db()
            assert quick.status == "sent"
            assert not all(one.done() for one in running)
            time.sleep(1.1)  # longer than an answer may take that is not slow
            released = timezone.now()
            slow.may_answer.set()
    assert len(slow.requests) == 1
    hook.refresh_from_db()
    # It was slow, so it rests; the others wait.
    assert hook.rests_until > released + timedelta(seconds=3)
    assert Notification.objects.filter(subscription=hook, status="waiting").count() == 4


def test_a_receiver_that_fails_rests_longer_each_time(settings):
    with run_receiver(answer=b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") as broken:
        hook = subscribe(broken)
        (message, *_) = write(hook, 3)
        # The first was tried, the others were not.
        assert len(broken.requests) == 1
        rests = []
        for _ in range(4):
            hook.refresh_from_db()
            rests.append(round((hook.rests_until - timezone.now()).total_seconds()))
            Subscription.objects.update(rests_until=None)
            delivery.deliver(message.pk)
        assert rests == [10, 20, 40, 80]
        event = OutgoingEvent.objects.filter(payload={"notification": message.pk}).get()
        event.due_at = timezone.now()
        again = delivery.send_to_worker(event)
        hook.refresh_from_db()
        assert again == hook.rests_until
        broken.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        Subscription.objects.update(rests_until=None)
        before = len(broken.requests)
        delivery.deliver(message.pk)
        hook.refresh_from_db()
        assert hook.failures == 0
        assert hook.rests_until is None
        # One task has sent all three, the oldest first.
        sent = [json.loads(request.partition(b"\r\n\r\n")[2])["n"] for request in broken.requests[before:]]
        assert sent == [0, 1, 2]


def test_a_turn_that_is_over_is_handed_on(receiver, monkeypatch):
    monkeypatch.setattr(webhook_turns, "TURN_SECONDS", -1.0)
    hook = subscribe(receiver, is_active=True)
    with transaction.atomic():
        waiting = write(hook, 3)
        OutgoingEvent.objects.all().delete()
    sent_tasks = []
    monkeypatch.setattr(delivery.app, "send_task", lambda _, args, **__: sent_tasks.append(args[0]))
    delivery.deliver(waiting[0].pk)
    assert (len(receiver.requests), sent_tasks) == (1, [waiting[1].pk])


def test_a_message_that_waits_too_long_is_given_up():
    with run_receiver(answer=b"") as gone:
        hook = subscribe(gone)
        (_, behind) = write(hook, 2)
        Notification.objects.update(
            created_at=timezone.now() - webhook_turns.LONGEST_WAIT - timedelta(hours=1)
        )
        event = OutgoingEvent.objects.filter(payload={"notification": behind.pk}).get()
        delivery.send_to_worker(event)
        behind.refresh_from_db()
        assert (behind.status, behind.error_code) == ("given_up", "notify:too-old")


def test_the_worker_of_a_receiver_died(receiver):
    hook = subscribe(receiver)
    lost = timezone.now() - webhook_turns.find_lost_after() - timedelta(seconds=1)
    claimed = {"status": "sending", "sending_since": lost, "subscription": hook}
    first = Notification.objects.create(notifier="webhook", target=hook.target, body="{}", **claimed)
    (second,) = write(hook)
    second.refresh_from_db()
    assert second.status == "sent"
    delivery.deliver(first.pk)
    first.refresh_from_db()
    assert first.status == "sent"


# --- the log, replay, test, rotation


def test_an_owner_tests_a_webhook_and_reads_its_log(receiver):
    repo = scenes.make_repo()
    api = hold(repo)
    made = api.post(URL, {"url": "https://hooks.example.org/x", "topics": ["flow.passed"]}, format="json")
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    number, secret = made.json()["id"], made.json()["secret"]
    Subscription.objects.update(target=receiver.url)
    tested = api.post(f"{URL}{number}/test/")
    assert tested.status_code == 202
    body = verify(receiver.requests[0], secret)
    assert (body["type"], body["data"]["requested_by"]) == ("webhook.test", "token:owner")
    shown = api.get(tested["Location"]).json()
    assert (shown["status"], shown["topic"], shown["attempts"]) == ("sent", "webhook.test", 1)
    assert json.loads(shown["body"]) == body
    ((line),) = shown["log"]
    assert (line["accepted"], line["result"]) == (True, "HTTP 204")
    assert line["duration_ms"] >= 0
    listed = api.get(f"{URL}{number}/deliveries/", {"status": "sent", "topic": "webhook.test"}).json()
    assert [row["id"] for row in listed["results"]] == [shown["id"]]
    read_problem(api.get(f"{URL}{number}/deliveries/", {"status": "lost"}), 400, "request:invalid-filter")


def test_a_replay_has_the_same_id(receiver):
    repo = scenes.make_repo()
    api, hook = hold(repo), subscribe(receiver, repo=repo)
    (message,) = write(hook)
    place = f"{URL}{hook.pk}/deliveries/{message.pk}/"
    again = api.post(f"{place}replay/")
    assert (again.status_code, again["Location"]) == (202, f"http://testserver{place}")
    ids = [re.search(rb"(?i)webhook-id: (\S+)", request)[1].decode() for request in receiver.requests]
    assert ids == [str(message.key)] * 2
    assert len(api.get(place).json()["log"]) == 2
    receiver.answer = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"
    assert api.post(f"{place}replay/").json()["status"] == "waiting"
    read_problem(api.post(f"{place}replay/"), 409, "notify:still-waiting")


def test_after_an_outage_everything_is_replayed(settings):
    repo = scenes.make_repo()
    with run_receiver(answer=b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n") as running:
        api, hook = hold(repo), subscribe(running, repo=repo)
        begin = timezone.now()
        for _ in range(3):
            Subscription.objects.update(rests_until=None)
            write(hook)
        assert set(Notification.objects.values_list("status", flat=True)) == {"given_up"}
        running.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        wanted = {"since": begin.isoformat()}
        assert api.post(f"{URL}{hook.pk}/replay/", wanted, format="json").json() == {
            "replayed": 3,
            "more": False,
        }
        assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}
        assert api.post(f"{URL}{hook.pk}/replay/", wanted, format="json").json()["replayed"] == 0
        read_problem(api.post(f"{URL}{hook.pk}/replay/", {}, format="json"), 422, "request:invalid")


def test_a_secret_is_rotated_without_downtime(receiver):
    repo = scenes.make_repo()
    api, hook = hold(repo), subscribe(receiver, repo=repo)
    old = read_secret(hook)
    new = api.post(f"{URL}{hook.pk}/rotate-secret/").json()["secret"]
    assert new != old
    hook.refresh_from_db()
    write(hook)
    for secret in (old, new):
        assert verify(receiver.requests[-1], secret) == {"n": 0}
    Subscription.objects.update(previous_secret_until=timezone.now())
    hook.refresh_from_db()
    write(hook)
    assert verify(receiver.requests[-1], new) == {"n": 0}
    with pytest.raises(WebhookVerificationError):
        verify(receiver.requests[-1], old)


def test_a_webhook_is_changed_and_switched_off(receiver):
    repo = scenes.make_repo()
    api, hook = hold(repo), subscribe(receiver, "flow.passed", repo=repo)
    place = f"{URL}{hook.pk}/"
    changed = api.patch(place, {"topics": ["flow.failed"], "is_active": False}, format="json").json()
    assert (changed["topics"], changed["is_active"], changed["url"]) == (["flow.failed"], False, receiver.url)
    assert api.get(place).json() == changed
    wrongs: list[dict] = [
        {"topics": []},
        {"topics": ["flow.lost"]},
        {"topics": ["flow.failed", "report.weekly"]},
        {"url": "http://10.0.0.1/"},
        {"is_active": "maybe"},
    ]
    for wrong in wrongs:
        read_problem(api.patch(place, wrong, format="json"), 422, "request:invalid")
    scenes.run_through(scenes.make_flow(repo), gates_fail=True)
    deliver_everything()
    assert not receiver.requests


def test_the_reach_of_repos_and_of_the_organisation(receiver):
    repo, other = scenes.make_repo(), scenes.make_repo("other")
    api, foreign, operator = hold(repo), hold(other), hold()
    wanted = {"url": "https://hooks.example.org/x", "topics": ["incident.opened"]}
    read_problem(api.post(URL, {**wanted, "organisation": True}, format="json"), 403, "auth:operators-only")
    read_problem(api.post(URL, {**wanted, "repo": "other"}, format="json"), 403, "auth:wrong-repo")
    read_problem(operator.post(URL, wanted, format="json"), 422, "request:invalid")
    both = {**wanted, "organisation": True, "repo": "other"}
    read_problem(operator.post(URL, both, format="json"), 422, "request:invalid")
    unheard = {**wanted, "topics": ["onboarding.requested", "report.weekly"]}
    problem = read_problem(api.post(URL, unheard, format="json"), 422, "request:invalid")
    assert "One repo never hears of onboarding.requested, report.weekly;" in problem["detail"]
    assert operator.post(URL, {**unheard, "organisation": True}, format="json").status_code == 201
    Subscription.objects.all().delete()
    mine = api.post(URL, wanted, format="json").json()
    of_all = operator.post(URL, {**wanted, "organisation": True}, format="json").json()
    assert (mine["repo"], of_all["repo"]) == (repo.name, None)
    assert [row["id"] for row in api.get(URL).json()["results"]] == [mine["id"]]
    assert [row["id"] for row in operator.get(URL).json()["results"]] == [of_all["id"], mine["id"]]
    limited = hold(scopes=["repo:admin"])
    assert [row["id"] for row in limited.get(URL).json()["results"]] == [mine["id"]]
    for client, number in ((foreign, mine["id"]), (api, of_all["id"]), (limited, of_all["id"])):
        for method, path in (
            ("get", ""),
            ("patch", ""),
            ("delete", ""),
            ("post", "test/"),
            ("post", "rotate-secret/"),
            ("post", "replay/"),
            ("get", "deliveries/"),
            ("get", "deliveries/1/"),
            ("post", "deliveries/1/replay/"),
        ):
            answer = getattr(client, method)(f"{URL}{number}/{path}")
            read_problem(answer, 404, "notify:unknown-webhook")
    # A message of one webhook is not shown under another one.
    (message,) = write(Subscription.objects.get(pk=of_all["id"]))
    read_problem(api.get(f"{URL}{mine['id']}/deliveries/{message.pk}/"), 404, "notify:unknown-delivery")


def test_an_operator_tests_and_replays_in_the_admin(receiver):
    hook = subscribe(receiver)
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    listed = "/admin/notifications/subscription/"
    client.post(listed, {"action": "send_test", "_selected_action": [hook.pk]})
    message = Notification.objects.get()
    assert (message.status, message.created_by) == ("sent", "sre")
    page = client.get(f"/admin/notifications/notification/{message.pk}/change/").content.decode()
    assert "HTTP 204" in page
    client.post("/admin/notifications/notification/", {"action": "replay", "_selected_action": [message.pk]})
    assert len(receiver.requests) == 2


def test_the_log_is_kept_for_30_days(receiver):
    hook = subscribe(receiver)
    old, recent = write(hook, 2)
    Notification.objects.filter(pk=old.pk).update(created_at=timezone.now() - schedule.KEPT)
    delivery.notify_once(uuid.uuid4(), "email", "sre@example.org", "x")
    Notification.objects.filter(notifier="email").update(created_at=timezone.now() - schedule.KEPT)
    schedule.remove_old_deliveries()
    assert set(Notification.objects.filter(notifier="webhook")) == {recent}
    assert Notification.objects.filter(notifier="email").exists()
    assert DeliveryAttempt.objects.filter(notification__notifier="webhook").count() == 1


def test_the_page_about_webhooks_does_what_it_says(receiver):
    repo = scenes.make_repo("auth-service")
    clients = {"auth-service": hold(repo), "organisation": hold()}
    text = DOCS.read_text(encoding="utf-8").replace("\\\n", " ")
    typed = re.findall(r"^curl -X (\w+) \"\$BLOCKS_API_URL(\S+)\"[^\n']*(?:'(.*)')?", text, re.M)
    assert len(typed) >= 5
    numbers: dict[str, str] = {}
    for method, printed, body in typed:
        client = clients["organisation" if "organisation" in body else "auth-service"]
        path = printed
        for written, real in numbers.items():
            path = path.replace(written, real)
        answer = getattr(client, method.lower())(path, json.loads(body or "{}"), format="json")
        assert answer.status_code in {200, 201, 202, 204}, (method, path, answer.content)
        if path == URL and "organisation" not in body:
            numbers["/4/"] = f"/{answer.json()['id']}/"
            Subscription.objects.filter(pk=answer.json()["id"]).update(target=receiver.url)
        if path.endswith("/test/"):
            numbers["/17/"] = f"/{answer.json()['id']}/"
    described = {
        topic
        for cell in re.findall(r"^\| (`[a-z.]+`(?: `[a-z.]+`)*) \|", text, re.M)
        for topic in re.findall(r"`([a-z]+\.[a-z]+)`", cell)
    }
    assert described == {*Topic.values, "webhook.test"}
