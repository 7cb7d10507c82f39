"""``python -m tests.deploy.prometheus_rule``: write the rules of Prometheus in the operator's form.

Kustomize cannot put one file inside another, so this is the one file of ``deploy/k8s`` that is generated; a
test compares it with ``deploy/prometheus/rules``.
"""

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
PLACE = DEPLOY / "k8s" / "components" / "prometheus-operator" / "rules.yaml"
_HEAD = "# Written by `python -m tests.deploy.prometheus_rule` from deploy/prometheus/rules; change those.\n"


def build() -> dict[str, Any]:
    """The ``PrometheusRule`` with the groups of every file of rules, in the order of the files' names."""
    groups = [
        group
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "flowengine"},
        "spec": {"groups": groups},
    }


if __name__ == "__main__":
    PLACE.write_text(_HEAD + yaml.safe_dump(build(), sort_keys=False, width=110), encoding="utf-8")
