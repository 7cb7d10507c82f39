"""``docs/reference/metrics.md``: what the exporter serves and which alerts look at it.

The metrics come from the exporter's own sources, read once against an empty database.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.core import Metric

from docs.generators.markdown import build_page, build_table
from orchestrator.ops.observability.metrics import SOURCES, OrchestratorCollector

ROOT = Path(__file__).resolve().parents[2]
_RULES = ROOT / "deploy/prometheus/rules"
_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
_INTRODUCTION = """\
`GET /metrics` of the exporter (port 9808) serves these in Prometheus's text format. Counters are counted
from the database, so they survive restarts. A counter under the launch runbook's name without `_total` is
sent as untyped beside the one with it: both always have the same value. A source that cannot be read is
missing from a scrape, and `orchestrator_source_up` says so."""


@dataclass(frozen=True, slots=True)
class DescribedMetric:
    """A family of metrics as a scrape shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    source: str


def build_metrics_page() -> str:
    """The page. Needs a database, which may be empty, and Redis."""
    alerts = map_alerts()
    parts = [_INTRODUCTION]
    families = list_metrics()
    for source in dict.fromkeys(family.source for family in families):
        rows = [_describe_family(family, alerts) for family in families if family.source == source]
        table = build_table(("metric", "type", "labels", "means", "alerts"), rows)
        parts += [f"## {source.replace('_', ' ').capitalize()}", table]
    return build_page("Metrics", *parts)


def list_metrics() -> list[DescribedMetric]:
    """Every family, in the order of the exporter's sources."""
    found = [_describe(family, source) for source, read in SOURCES.items() for family in read()]
    known = {family.name for family in found}
    # What the collector itself adds: whether it could read each source.
    whole = [_describe(family, "sources") for family in OrchestratorCollector().collect()]
    return found + [family for family in whole if family.name not in known]


def _describe(family: Metric, source: str) -> DescribedMetric:
    known: Any = family
    suffix = "_total" if family.type == "counter" else ""
    return DescribedMetric(
        family.name + suffix, family.type, tuple(known._labelnames), family.documentation, source
    )


def _describe_family(family: DescribedMetric, alerts: dict[str, list[str]]) -> list[str]:
    spelled = [family.name, *(family.name + suffix for suffix in _SUFFIXES.get(family.kind, ()))]
    names = dict.fromkeys(alert for name in spelled for alert in alerts.get(name, ()))
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return [f"`{family.name}`", family.kind, labels, family.text, ", ".join(f"`{name}`" for name in names)]


def map_alerts() -> dict[str, list[str]]:
    """Metric to the alerts whose expression reads it, also through a recorded expression."""
    recorded: dict[str, str] = {}
    alerts: dict[str, str] = {}
    for rule in _list_rules():
        (alerts if "alert" in rule else recorded)[rule.get("alert") or rule["record"]] = rule["expr"]
    found: dict[str, list[str]] = defaultdict(list)
    for alert, expression in alerts.items():
        for name in _list_names(expression, recorded):
            found[name].append(alert)
    return found


def _list_rules() -> Iterator[dict[str, Any]]:
    for path in sorted(_RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def _list_names(expression: str, recorded: dict[str, str]) -> set[str]:
    names = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", expression))
    for name in names & recorded.keys():
        names |= _list_names(recorded[name], {key: text for key, text in recorded.items() if key != name})
    return names
