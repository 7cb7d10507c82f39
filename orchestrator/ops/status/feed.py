"""The news as an Atom feed (RFC 4287)."""

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed

from orchestrator.ops.status.models import StatusNews

MOST_ENTRIES: Final = 50


def write_feed(asked_at: str) -> str:
    """The newest entries. ``asked_at`` is the root under which the feed was asked for.

    PUBLIC_URL counts before it, so that the ids of the entries stay the same under every name.
    """
    root = (settings.PUBLIC_URL or asked_at).rstrip("/")
    page = f"{root}/status/"
    feed = Atom1Feed(
        title="Blocks: status",
        link=page,
        description="Incidents and planned maintenance",
        feed_url=f"{root}/status/feed.atom",
        language="en",
    )
    # Newest first, as the model orders them.
    for one in StatusNews.objects.all()[:MOST_ENTRIES]:
        feed.add_item(
            title=one.title,
            link=page,
            description=one.body,
            pubdate=one.at,
            updateddate=one.at,
            # A tag URI (RFC 4151): readers know an entry again wherever it is published.
            unique_id=f"tag:{urlsplit(root).hostname},2026:status:{one.key}",
            author_name="Blocks",
        )
    # Without an entry, the feed is as new as the moment at which it is read.
    feed.feed["updated"] = timezone.now()
    return str(feed.writeString("utf-8"))
