"""The six dashboards: what each panel shows on our pages, and what it asks Prometheus in Grafana.

``deploy/grafana`` is written from here (``manage.py write_dashboards``), and a test
holds it to this. The targets are the launch runbook's.
"""

from typing import Final

from orchestrator.ops.dashboards import by_day, figures, onboardings
from orchestrator.ops.dashboards.panels import (
    REPO,
    Dashboard,
    DaysPanel,
    FigurePanel,
    PartsPanel,
    Query,
    Target,
    Unit,
)
from orchestrator.ops.dashboards.reader import Reader

# Added to when a flow ends: what a window has of them is what ended in it.
_PASSED = f'flow_status_total{{{REPO}status="success"}}'
_FAILED = f'flow_status_total{{{REPO}status="failed"}}'
_ENDED = f'flow_status_total{{{REPO}status=~"success|failed"}}'
_COST = f"flow_cost_usd_total{{{REPO}}}"
_GATES = f"quality_gate_result_total{{{REPO}}}"
_GATES_PASSED = f'quality_gate_result_total{{{REPO}result="passed"}}'
# max, because every exporter tells the same assumption; on() joins it to sums that have lost their labels.
_VALUE = (
    f"sum(increase({_PASSED}[$__range]))"
    " * on() max(orchestrator_roi_hours_per_block) * on() max(orchestrator_roi_hourly_rate_usd)"
)


def _mean_gate_score(gate: str, window: str) -> str:
    """The mean score of a gate over ``window``."""
    labels = f'{{{REPO}gate="{gate}"}}'
    return (
        f"sum(increase(quality_gate_score_sum{labels}[{window}]))"
        # > 0: without a report Grafana shows that there is nothing, where a division would show NaN.
        f" / (sum(increase(quality_gate_score_count{labels}[{window}])) > 0)"
    )


def _mean_onboarding(part: str) -> str:
    """The mean seconds of a part of onboarding."""
    name = f"orchestrator_onboarding_{part}_seconds"
    return f"sum(increase({name}_sum[$__range])) / (sum(increase({name}_count[$__range])) > 0)"


def _p95(window: str) -> str:
    return (
        f"histogram_quantile(0.95, sum by (le) (increase(flow_duration_seconds_bucket{{{REPO}}}[{window}])))"
    )


def _mean_score_of(reader: Reader, gate: str) -> float | None:
    # By gate, as the panel beside it asks: the reader reads the rows once for both.
    found = [row for row in reader.gates("gate") if row.keys[0] == gate]
    return figures.mean_score(found[0]) if found else None


def _divide_by_repo(reader: Reader) -> dict[str, float | None]:
    # A repo whose flows all failed has spent and has no feature; its cost is not zero, it is unknown.
    passed = {row.keys[0]: row.passed for row in reader.flows("repo")}
    return {row.keys[0]: figures.divide(row.usd, passed.get(row.keys[0], 0)) for row in reader.calls("repo")}


_SUCCESS = FigurePanel(
    "success",
    "Success rate",
    Unit.PERCENT,
    (Query(f"100 * sum(increase({_PASSED}[$__range])) / (sum(increase({_ENDED}[$__range])) > 0)"),),
    note="Flows that passed, of those that passed or failed.",
    target=Target(99),
    # The link leads to what pulled the figure down, which is what a reader of it looks for.
    drill={"ended": "failed"},
    read=lambda reader: figures.success_percent(reader.flows()[0]),
)
_LATENCY = FigurePanel(
    "p95",
    "P95 latency",
    Unit.SECONDS,
    (Query(_p95("$__range")),),
    note="From the request to the verified block; 95 % of the flows that passed were quicker.",
    # The same number bounds a bucket of the histogram, so both say the same about a flow at the limit.
    target=Target(figures.LATENCY_TARGET_SECONDS, at_least=False),
    drill={"status": "passed"},
    read=lambda reader: figures.p95_seconds(reader.spread()),
)
# On three dashboards: defined once, so that they never differ.
_SPEND = FigurePanel(
    "spend",
    "Spend",
    Unit.USD,
    (Query(f"sum(increase({_COST}[$__range]))"),),
    note="All calls to models, also those of flows that failed.",
    drill={},
    read=lambda reader: reader.calls()[0].usd,
)
# What failed was paid, too: leaving it out would reward retries.
_COST_PER_FEATURE = FigurePanel(
    "cost-per-feature",
    "Cost per feature",
    Unit.USD,
    (Query(f"sum(increase({_COST}[$__range])) / (sum(increase({_PASSED}[$__range])) > 0)"),),
    note="All spend over the flows that passed.",
    target=Target(2, at_least=False),
    drill={"status": "passed"},
    read=lambda reader: figures.divide(reader.calls()[0].usd, reader.flows()[0].passed),
)
_QUALITY = FigurePanel(
    "quality",
    "Quality score",
    Unit.PERCENT,
    (
        Query(
            f"sum(increase(block_quality_score_sum{{{REPO}}}[$__range]))"
            f" / (sum(increase(block_quality_score_count{{{REPO}}}[$__range])) > 0)"
        ),
    ),
    note="The average over the verified blocks.",
    target=Target(90),
    drill={"status": "passed"},
    read=lambda reader: figures.divide(reader.flows()[0].quality, reader.flows()[0].blocks),
)
_EXECUTED = FigurePanel(
    "flows",
    "Flows executed",
    Unit.NUMBER,
    (Query(f"sum(increase(flow_status_total{{{REPO}}}[$__range]))"),),
    note="Flows that passed, failed or were cancelled; one that is retried ends again.",
    drill={"ended": "any"},
    read=lambda reader: float(
        reader.flows()[0].passed + reader.flows()[0].failed + reader.flows()[0].cancelled
    ),
)
# By the day on which a flow ended: by that of its creation, bars of past days would still grow.
_ENDS_BY_DAY = DaysPanel(
    "ends-by-day",
    "Flows by day",
    Unit.NUMBER,
    (Query(f"sum by (status) (increase(flow_status_total{{{REPO}}}[1d]))", "{{status}}"),),
    drill={"ended": "any"},
    read=lambda reader, steps: {
        "passed": by_day.add_up(reader.flows("day"), steps, lambda row: row.passed),
        "failed": by_day.add_up(reader.flows("day"), steps, lambda row: row.failed),
        "cancelled": by_day.add_up(reader.flows("day"), steps, lambda row: row.cancelled),
    },
)
_SPEND_BY_DAY = DaysPanel(
    "spend-by-day",
    "Spend by day and provider",
    Unit.USD,
    (Query(f"sum by (provider) (increase({_COST}[1d]))", "{{provider}}"),),
    drill={},
    read=lambda reader, steps: by_day.split(reader.calls("day", "provider"), steps, lambda row: row.usd),
)
_SPEND_BY_FAMILY = PartsPanel(
    "spend-by-family",
    "Spend by block family",
    Unit.USD,
    (Query(f"sum by (block_family) (increase({_COST}[$__range]))", "{{block_family}}"),),
    part="family",
    read=lambda reader: {row.keys[0]: row.usd for row in reader.calls("block_family")},
)
_GATE_PASS_RATE = PartsPanel(
    "pass-rate-by-gate",
    "Pass rate by gate",
    Unit.PERCENT,
    (
        Query(
            f"100 * sum by (gate) (increase({_GATES_PASSED}[$__range]))"
            f" / (sum by (gate) (increase({_GATES}[$__range])) > 0)",
            "{{gate}}",
        ),
    ),
    note="Reports of all rounds: what a repair round put right counts as failed first.",
    part="gate",
    read=lambda reader: {row.keys[0]: figures.pass_percent(row) for row in reader.gates("gate")},
)
# Reasons are not a label of the metrics: each would be a series of its own, for every repo.
_FAILURES = PartsPanel(
    "failures-by-reason",
    "Failed flows by reason",
    Unit.NUMBER,
    (Query(f"sum by (repo) (increase({_FAILED}[$__range]))", "{{repo}}"),),
    grafana_note="Here by repo: reasons are not a label of the metrics.",
    part="error",
    drill={"ended": "failed"},
    read=lambda reader: {row.keys[0]: float(row.flows) for row in reader.failures()},
)
# Lines: quantiles of days cannot be stacked, nor added up to that of the period.
_P95_BY_DAY = DaysPanel(
    "p95-by-day",
    "P95 latency by day",
    Unit.SECONDS,
    (Query(_p95("1d"), "P95"),),
    target=Target(figures.LATENCY_TARGET_SECONDS, at_least=False),
    drill={"status": "passed"},
    lines=True,
    read=lambda reader, steps: {
        "P95": [figures.p95_seconds(group) for group in by_day.group_by_step(reader.spread("day"), steps)]
    },
)

ROI: Final = Dashboard(
    "roi",
    "ROI",
    "Is it worth what it costs?",
    # The uids are those that the launch runbook links to.
    "flowengine-roi",
    (
        FigurePanel(
            "return",
            "Return on spend",
            Unit.TIMES,
            (Query(f"{_VALUE} / on() (sum(increase({_COST}[$__range])) > 0)"),),
            note="The value of the hours over the spend on models.",
            target=Target(3),
            drill={"status": "passed"},
            read=lambda reader: figures.return_ratio(reader.flows()[0], reader.calls()[0], reader.assumed),
        ),
        FigurePanel(
            "hours",
            "Hours saved",
            Unit.HOURS,
            (Query(f"sum(increase({_PASSED}[$__range])) * on() max(orchestrator_roi_hours_per_block)"),),
            note="Flows that passed, times the hours that a block takes by hand.",
            drill={"status": "passed"},
            read=lambda reader: figures.hours_saved(reader.flows()[0], reader.assumed),
        ),
        FigurePanel(
            "value",
            "Value",
            Unit.USD,
            (Query(_VALUE),),
            note="The hours saved at the hourly rate.",
            drill={"status": "passed"},
            read=lambda reader: figures.value_usd(reader.flows()[0], reader.assumed),
        ),
        _SPEND,
        _COST_PER_FEATURE,
        DaysPanel(
            "blocks-by-day",
            "Verified blocks by day",
            Unit.NUMBER,
            (Query(f"sum(increase({_PASSED}[1d]))", "blocks"),),
            drill={"status": "passed"},
            read=lambda reader, steps: {
                "blocks": by_day.add_up(reader.flows("day"), steps, lambda row: row.passed)
            },
        ),
        PartsPanel(
            "value-by-repo",
            "Value by repo",
            Unit.USD,
            (
                Query(
                    f"sum by (repo) (increase({_PASSED}[$__range])) * on() group_left()"
                    " (max(orchestrator_roi_hours_per_block) * max(orchestrator_roi_hourly_rate_usd))",
                    "{{repo}}",
                ),
            ),
            part="repo",
            drill={"status": "passed"},
            read=lambda reader: {
                row.keys[0]: figures.value_usd(row, reader.assumed) for row in reader.flows("repo")
            },
        ),
        PartsPanel(
            # Not drilled by status: the list of a repo shows what failed beside what passed.
            "cost-per-feature-by-repo",
            "Cost per feature by repo",
            Unit.USD,
            (
                Query(
                    f"sum by (repo) (increase({_COST}[$__range]))"
                    f" / (sum by (repo) (increase({_PASSED}[$__range])) > 0)",
                    "{{repo}}",
                ),
            ),
            part="repo",
            target=Target(2, at_least=False),
            read=_divide_by_repo,
        ),
    ),
)
QUALITY: Final = Dashboard(
    "quality",
    "Quality",
    "Are the blocks good, and do the gates hold?",
    "flowengine-quality",
    (
        _QUALITY,
        FigurePanel(
            "kill-rate",
            "Mutation kill rate",
            Unit.PERCENT,
            (Query(_mean_gate_score("mutation", "$__range")),),
            note="The average over all reports of the mutation gate.",
            target=Target(60),
            drill={"gate": "mutation"},
            read=lambda reader: _mean_score_of(reader, "mutation"),
        ),
        FigurePanel(
            "coverage",
            "Branch coverage",
            Unit.PERCENT,
            (Query(_mean_gate_score("coverage", "$__range")),),
            note="The average over all reports of the coverage gate.",
            target=Target(90),
            drill={"gate": "coverage"},
            read=lambda reader: _mean_score_of(reader, "coverage"),
        ),
        FigurePanel(
            "gates-passed",
            "Gates passed",
            Unit.PERCENT,
            (
                Query(
                    f"100 * sum(increase({_GATES_PASSED}[$__range]))"
                    f" / (sum(increase({_GATES}[$__range])) > 0)"
                ),
            ),
            note="Reports that passed, of all gates and rounds.",
            read=lambda reader: figures.pass_percent(reader.gates()[0]),
        ),
        DaysPanel(
            "scores-by-day",
            "Scores by day",
            Unit.PERCENT,
            (
                Query(_mean_gate_score("mutation", "1d"), "mutation"),
                Query(_mean_gate_score("coverage", "1d"), "coverage"),
            ),
            lines=True,
            drill={"status": "passed"},
            read=lambda reader, steps: {
                gate: by_day.compare(
                    [row for row in reader.gates("day", "gate") if row.keys[1] == gate],
                    steps,
                    lambda row: row.score,
                    lambda row: row.scored,
                )
                for gate in ("mutation", "coverage")
            },
        ),
        _GATE_PASS_RATE,
        PartsPanel(
            "quality-by-repo",
            "Quality score by repo",
            Unit.PERCENT,
            (
                Query(
                    f"sum by (repo) (increase(block_quality_score_sum{{{REPO}}}[$__range]))"
                    f" / (sum by (repo) (increase(block_quality_score_count{{{REPO}}}[$__range])) > 0)",
                    "{{repo}}",
                ),
            ),
            part="repo",
            target=Target(90),
            drill={"status": "passed"},
            read=lambda reader: {
                row.keys[0]: figures.divide(row.quality, row.blocks) for row in reader.flows("repo")
            },
        ),
    ),
)
RELIABILITY: Final = Dashboard(
    "reliability",
    "Reliability",
    "Does it work, and in time?",
    "flowengine-slo",
    (
        _SUCCESS,
        _LATENCY,
        FigurePanel(
            "in-time",
            "SLO compliance",
            Unit.PERCENT,
            (
                Query(
                    # The bucket that ends at the target: between two buckets it would be an estimate.
                    f'100 * sum(increase(flow_duration_seconds_bucket{{{REPO}le="120"}}[$__range]))'
                    f" / (sum(increase(flow_duration_seconds_count{{{REPO}}}[$__range])) > 0)"
                ),
            ),
            note="Flows that passed within two minutes, of those that passed.",
            target=Target(95),
            drill={"status": "passed"},
            read=lambda reader: figures.in_time_percent(reader.spread()),
        ),
        FigurePanel(
            "uptime",
            "Model API uptime",
            Unit.PERCENT,
            (
                Query(
                    f"100 * (1 - sum(increase(provider_outages_total{{{REPO}}}[$__range]))"
                    f" / (sum(increase(provider_calls_total{{{REPO}}}[$__range])) > 0))"
                ),
            ),
            note="Calls that the provider answered, also with a refusal.",
            # Refusals count as answers: a rate limit that we hit says nothing about the vendor being up.
            target=Target(99.9),
            read=lambda reader: figures.uptime_percent(reader.calls()[0]),
        ),
        _ENDS_BY_DAY,
        _P95_BY_DAY,
        _FAILURES,
        PartsPanel(
            "uptime-by-provider",
            "Model API uptime by provider",
            Unit.PERCENT,
            (
                Query(
                    f"100 * (1 - sum by (provider) (increase(provider_outages_total{{{REPO}}}[$__range]))"
                    f" / (sum by (provider) (increase(provider_calls_total{{{REPO}}}[$__range])) > 0))",
                    "{{provider}}",
                ),
            ),
            target=Target(99.9),
            read=lambda reader: {
                row.keys[0]: figures.uptime_percent(row) for row in reader.calls("provider")
            },
        ),
    ),
)
ADOPTION: Final = Dashboard(
    "adoption",
    "Adoption",
    "Who uses it, and how much?",
    "flowengine-adoption",
    (
        FigurePanel(
            "repos",
            "Repos onboarded",
            Unit.NUMBER,
            (Query('sum(orchestrator_repos{state="enabled"})'),),
            note="Repos that were onboarded, and enabled, at the end of the period.",
            # Of all repos: one repo alone cannot be fifty.
            target=Target(50, of_all=True),
            read=lambda reader: float(reader.count_repos()),
        ),
        FigurePanel(
            "active-repos",
            "Active repos",
            Unit.PERCENT,
            (
                Query(
                    "100 * count(sum by (repo) (increase(flow_status_total[$__range])) > 0)"
                    ' / on() (sum(orchestrator_repos{state="enabled"}) > 0)'
                ),
            ),
            note="Repos with a flow in the period, of those that are enabled.",
            target=Target(80),
            read=lambda reader: figures.percent_of(
                # Created, not ended: a repo whose first flow still runs is active.
                sum(1 for row in reader.flows("repo") if row.created),
                reader.count_repos(),
            ),
        ),
        _EXECUTED,
        FigurePanel(
            # Since the first day, and not of the period: the target is one of the whole rollout.
            "flows-in-all",
            "Flows in all",
            Unit.NUMBER,
            (Query("sum(flow_status_total)"),),
            note="Ends of flows since the first day.",
            target=Target(500, of_all=True),
            read=lambda reader: float(reader.count_ended()),
        ),
        FigurePanel(
            "people",
            "Active users",
            Unit.NUMBER,
            (Query("max(orchestrator_active_users)"),),
            note="People and tokens that started a flow.",
            grafana_note="Here: those of the last seven days.",
            read=lambda reader: float(len(reader.starters())),
        ),
        FigurePanel(
            "time-to-ready",
            "Time to ready",
            Unit.SECONDS,
            (Query(_mean_onboarding("work")),),
            note="From a request to ready, on average; the waits for the lead and for its day aside.",
            read=lambda reader: figures.mean_work_seconds(reader.ready()),
        ),
        FigurePanel(
            "approval-time",
            "Time to the lead's yes",
            Unit.SECONDS,
            (Query(_mean_onboarding("approval")),),
            note="From the question to the team lead to the yes, on average.",
            read=lambda reader: figures.mean_approval_seconds(reader.ready()),
        ),
        DaysPanel(
            "started-by-day",
            "Flows started by day",
            Unit.NUMBER,
            (Query("sum(increase(flow_status_total[1d]))", "flows"),),
            grafana_note="Here: counted when they end.",
            drill={},
            read=lambda reader, steps: {
                "flows": by_day.add_up(reader.flows("day"), steps, lambda row: row.created)
            },
        ),
        DaysPanel(
            "people-by-day",
            "Active users by day",
            Unit.NUMBER,
            (Query("max(orchestrator_active_users)", "users of seven days"),),
            # The same person on two days is one person: bars of people do not add up to the period.
            adds_up=False,
            read=lambda reader, steps: {
                "users": [
                    float(len({row.keys[1] for row in group}))
                    for group in by_day.group_by_step(reader.starters("day"), steps)
                ]
            },
        ),
        DaysPanel(
            "ready-by-day",
            "Repos ready by day",
            Unit.NUMBER,
            (Query("sum(increase(orchestrator_onboarding_work_seconds_count[1d]))", "repos"),),
            read=lambda reader, steps: {"repos": by_day.add_up(reader.ready(), steps, lambda row: row.ready)},
        ),
        PartsPanel(
            "onboardings",
            "Onboardings under way",
            Unit.NUMBER,
            (
                Query(
                    "sum by (status) (orchestrator_onboarding_requests"
                    f'{{status=~"{"|".join(onboardings.UNDER_WAY)}"}})',
                    "{{status}}",
                ),
            ),
            note="Where requests for repos stand now; failed ones wait for somebody to retry.",
            read=lambda reader: reader.under_way(),
        ),
        PartsPanel(
            "flows-by-repo",
            "Flows by repo",
            Unit.NUMBER,
            (Query("sum by (repo) (increase(flow_status_total[$__range]))", "{{repo}}"),),
            part="repo",
            read=lambda reader: {row.keys[0]: float(row.created) for row in reader.flows("repo")},
        ),
        PartsPanel(
            "flows-by-family",
            "Flows by block family",
            Unit.NUMBER,
            (Query("sum by (block_family) (increase(flow_status_total[$__range]))", "{{block_family}}"),),
            part="family",
            read=lambda reader: {row.keys[0]: float(row.created) for row in reader.flows("block_family")},
        ),
    ),
)
COST: Final = Dashboard(
    "cost",
    "Cost",
    "What is spent, and on what?",
    "flowengine-cost",
    (
        FigurePanel(
            "spend-a-day",
            "Spend a day",
            Unit.USD,
            (Query("sum(increase(flow_cost_usd_total[1d]))"),),
            note="The average over the days of the period.",
            grafana_note="Here: the last 24 hours.",
            target=Target(50, at_least=False, of_all=True),
            drill={},
            # Over all days of the period: one without a call costs nothing, and counts.
            read=lambda reader: reader.calls()[0].usd / reader.period.length,
        ),
        _SPEND,
        _COST_PER_FEATURE,
        FigurePanel(
            "tokens",
            "Tokens",
            Unit.NUMBER,
            (Query("sum(increase(provider_tokens_total[$__range]))"),),
            note="All kinds: read, cached, written, thought.",
            read=lambda reader: float(reader.calls()[0].tokens),
        ),
        _SPEND_BY_DAY,
        PartsPanel(
            "spend-by-model",
            "Spend by model",
            Unit.USD,
            (Query("sum by (model) (increase(flow_cost_usd_total[$__range]))", "{{model}}"),),
            part="model",
            read=lambda reader: {row.keys[0]: row.usd for row in reader.calls("model")},
        ),
        PartsPanel(
            "spend-by-repo",
            "Spend by repo",
            Unit.USD,
            (Query("sum by (repo) (increase(flow_cost_usd_total[$__range]))", "{{repo}}"),),
            part="repo",
            read=lambda reader: {row.keys[0]: row.usd for row in reader.calls("repo")},
        ),
        _SPEND_BY_FAMILY,
    ),
)
# Of the panels above, those that say something about one repo alone.
ONE_REPO: Final = Dashboard(
    "repo",
    "Repo",
    "How is this repo doing?",
    "flowengine-repo",
    (
        _EXECUTED,
        _SUCCESS,
        _LATENCY,
        _QUALITY,
        _SPEND,
        _COST_PER_FEATURE,
        _ENDS_BY_DAY,
        _SPEND_BY_DAY,
        _GATE_PASS_RATE,
        _FAILURES,
        _SPEND_BY_FAMILY,
    ),
)
DASHBOARDS: Final = (ROI, QUALITY, RELIABILITY, ADOPTION, COST)
"""Those over all repos that a person may see. ``ONE_REPO`` is the sixth, for each repo."""


def find_dashboard(name: str) -> Dashboard | None:
    """The dashboard over all repos that is called ``name``."""
    return next((dashboard for dashboard in DASHBOARDS if dashboard.name == name), None)
