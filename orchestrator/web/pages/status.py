"""The status page for everybody: how the service is, what is planned, what went wrong, and news of it.

It names no repo and no person, except for the words that people wrote for everybody: titles of incidents,
updates, maintenance. It answers while the database is away, too: then with the record that was kept a minute
before.
"""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orchestrator.ops.status import kept_copy, parts, subscription
from orchestrator.ops.status.feed import write_feed
from orchestrator.ops.status.parts import Level
from orchestrator.ops.status.record import StatusRecord, read_record
from orchestrator.web.components.status_words import choose_headline

FEED_TYPE: Final = "application/atom+xml; charset=utf-8"


class StatusReaderForm(forms.Form):
    """Where the news go."""

    email = forms.EmailField(max_length=254)


@require_safe
@never_cache
def show_status_page(request: HttpRequest) -> HttpResponse:
    """How the service stands: parts, queues, providers, the flows of the last 24 hours, and the record.

    No repo is named.
    """
    context = build_status()
    # With the core down there is no session either, so the page is written without the request.
    if context["away"]:
        return HttpResponse(render_to_string("web/status.html", context))
    return render(request, "web/status.html", context)


def build_status() -> dict[str, Any]:
    """What the page says now."""
    now = timezone.now()
    # The core is asked first and with its own time-outs, so that an outage is seen in seconds.
    groups = parts.check_parts(now)
    worst = parts.find_worst(part for _, found in groups for part in found)
    # check_parts stops behind the core where that is down.
    away = len(groups) == 1
    record: StatusRecord | None = None
    if not away:
        try:
            record = read_record(now)
        except (DatabaseError, InterfaceError):
            # It has gone between the check and now.
            away, worst = True, Level.DOWN
    return {
        "groups": groups,
        "worst": worst,
        "headline": choose_headline(worst, record),
        # Read from the database, which may be the part that is down.
        "flows": None if away else parts.count_flows(now),
        "now": now,
        "away": away,
        "record": record if record is not None else kept_copy.read_kept(),
        "mails": not away and subscription.is_offered(),
    }


@require_safe
def send_feed(request: HttpRequest) -> HttpResponse:
    """The news as an Atom feed."""
    return HttpResponse(write_feed(request.build_absolute_uri("/")), content_type=FEED_TYPE)


@require_POST
def take_subscription(request: HttpRequest) -> HttpResponse:
    """Ask an address whether it wants the news. The answer is the same for every address, known or not."""
    form = StatusReaderForm(request.POST)
    # A malformed address gets the same words: whether one is right is for its owner to know.
    if form.is_valid():
        subscription.subscribe(form.cleaned_data["email"], timezone.now())
    return render(request, "web/status_mail.html", {"step": "asked"})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def confirm_subscription(request: HttpRequest, key: UUID) -> HttpResponse:
    """GET shows a button, because mail programs open links by themselves; POST confirms."""
    if request.method != "POST":
        return render(request, "web/status_mail.html", {"step": "confirm"})
    known = subscription.confirm(key, timezone.now())
    return render(request, "web/status_mail.html", {"step": "confirmed" if known else "unknown"})


# A mail program sends the one click of RFC 8058 without cookies; the key in the address is the proof.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def end_subscription(request: HttpRequest, key: UUID) -> HttpResponse:
    """GET shows a button; POST deletes the address, also a second time."""
    if request.method != "POST":
        return render(request, "web/status_mail.html", {"step": "leave"})
    subscription.unsubscribe(key)
    return render(request, "web/status_mail.html", {"step": "left"})
