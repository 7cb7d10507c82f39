"""Where the team lead's answer arrives: Slack's callback, and the page behind the link of the mail."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.lead import answers, slack_dialog
from orchestrator.core.errors import OrchestratorError

_MOST_BYTES = 64_000
"""Slack's callback about a short message has a few thousand."""
log = logging.getLogger(__name__)


@csrf_exempt  # Slack has no session; its signature says who it is.
@require_POST
def take_slack_press(request: HttpRequest) -> HttpResponse:
    """Slack's callback: 200 for what is genuine, done with or not ours; 403 otherwise.

    Nothing here calls Slack: it wants an answer within three seconds.
    """
    if not settings.SLACK_SIGNING_SECRET:
        return HttpResponse(status=404)
    body = request.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        return HttpResponse(status=413)
    stamp = request.headers.get("X-Slack-Request-Timestamp", "")
    if not slack_dialog.is_genuine(body, stamp, request.headers.get("X-Slack-Signature", "")):
        log.warning("a callback to /onboarding/slack/ is not signed by Slack, or is too old")
        return HttpResponse(status=403)
    press = slack_dialog.read_press(body)
    if press is not None:
        try:
            answers.take_press(press)
        except answers.AnswerRefused:
            log.warning("a press for %r by %s is refused", press.reference, press.user[:20])
            return HttpResponse(status=403)
    return HttpResponse(status=200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer_by_link(request: HttpRequest, signed: str) -> HttpResponse:
    """The page with the two buttons. Only the POST decides: scanners of mail follow links."""
    try:
        asked = answers.find_asked(signed)
        verdict = request.POST.get("answer", "")
        if request.method == "POST" and verdict in ("approve", "decline"):
            decided = answers.take_answer(signed, approves=verdict == "approve")
            return render(request, "onboarding/lead_thanks.html", {"asked": decided, "verdict": verdict})
    except OrchestratorError as error:
        return render(request, "onboarding/lead_refused.html", {"error": error}, status=error.http_status)
    if not asked.is_open:
        return render(request, "onboarding/lead_thanks.html", {"asked": asked.request, "verdict": ""})
    return render(request, "onboarding/lead_answer.html", {"asked": asked.request})
