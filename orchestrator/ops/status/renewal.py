"""One look of the status page: the minute of the history, the news, the silences, and the kept copy."""

import logging

import httpx2
from django.utils import timezone

from orchestrator.ops.status import history, kept_copy, maintenance, news, subscription

log = logging.getLogger(__name__)


def renew_status() -> None:
    """Do what is due. Each step stands alone, so that one that fails holds up no other."""
    now = timezone.now()
    # First, because what follows may take longer than the minute it belongs to.
    history.take_sample(now)
    history.remove_old_days(now)
    news.write_news(now)
    news.remove_old_news(now)
    subscription.forget_silent(now)
    kept_copy.keep(now)
    try:
        maintenance.silence_alerts(now)
    except httpx2.HTTPError as error:
        log.warning("Alertmanager does not take a silence: %s", type(error).__name__)
