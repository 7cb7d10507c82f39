"""From a number to the flows behind it: the list of flows, with the filters of a panel."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from orchestrator.ops.dashboards.panels import Panel, PartsPanel
from orchestrator.ops.dashboards.period import Period

NO_FAMILY: Final = "-"
"""The filter for flows without a block family; no family is called so."""


def link_flows(panel: Panel, period: Period, filters: Mapping[str, str], **more: str) -> str:
    """The address of the flows behind a number; empty where the panel has no list."""
    if panel.drill is None and not more:
        return ""
    # Days, also for a period that begins within one: the list filters by days only.
    days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
    return f"{reverse('flows')}?{urlencode({**(panel.drill or {}), **filters, **more, **days})}"


def link_part(panel: PartsPanel, period: Period, filters: Mapping[str, str], name: str) -> str:
    """The address of the flows behind one part; empty where the panel has no list."""
    if not panel.part:
        return ""
    value = name or (NO_FAMILY if panel.part == "family" else "")
    return link_flows(panel, period, filters, **{panel.part: value}) if value else ""
