"""``make prompts``: the samples and the requests of ``bench/prompts/`` against real models.

With a key of each vendor whose model is configured: every request runs as a flow on a stack of its own, and
``results/prompts.json`` gets, after each flow, by model and stage: calls, tokens, the share of the input
that came from a cache, cost and latency, and how many flows passed, in the first round and in the last. Names
of requests as arguments choose some of them. What was asked at a base URL of one's own is named, because it
may not be the vendor.

Without keys no model is asked, and it says so. Each request that a flow would send is captured and compared
with the types of the vendors' SDKs and with what the vendors say of their models, by the strict simulator's
own reading.
"""

import json
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import django

# As it was given: the flows run on a database of their own where there is none.
GIVEN_DATABASE = os.environ.get("DATABASE_URL", "")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
# The stages that are captured read no table: the settings only have to be there.
os.environ.setdefault("DATABASE_URL", "postgres://nobody@localhost/none")
os.environ.setdefault("SECRET_KEY", "bench")
django.setup()

from django.conf import settings  # noqa: E402 - Django comes first

from bench.goals import write_results  # noqa: E402
from blocks.cli.client import Client  # noqa: E402
from orchestrator.dev import demo, embedded, sample_repo, stack  # noqa: E402
from orchestrator.flows.context import build_bundle  # noqa: E402
from orchestrator.flows.generation import prompts  # noqa: E402
from orchestrator.flows.generation.model_request import THINKING_TOKENS  # noqa: E402
from orchestrator.flows.stages import context, plan, review  # noqa: E402
from providers.adapters import anthropic, google_genai, openai  # noqa: E402
from providers.base import Request  # noqa: E402
from providers.registry import provider_for_model  # noqa: E402
from providers.simulator.server import ROUTES  # noqa: E402
from providers.simulator.wires.base import RequestRejected  # noqa: E402

ROOT: Final = Path(__file__).resolve().parents[1]
KEYS: Final = {name: f"{name.upper()}_API_KEY" for name in ("anthropic", "openai", "google")}
SCHEMAS: Final = {"context": context.SCHEMA, "plan": plan.SCHEMA, "review": review.SCHEMA}
MODELS: Final = {
    "context": settings.CONTEXT_MODEL,
    "plan": settings.ARCHITECT_MODEL,
    "implement": settings.IMPLEMENTATION_MODEL,
    "review": settings.ARCHITECT_MODEL,
    "docs": settings.CONTEXT_MODEL,
}
_HEADERS: Final = {"x-api-key": "k", "anthropic-version": "2023-06-01", "authorization": "Bearer k"} | {
    "x-goog-api-key": "k"
}


@dataclass(frozen=True)
class Trial:
    """One feature request, and the folder with the repo that it is for."""

    name: str
    text: str
    repo: Path


@dataclass
class Figures:
    """What the calls of one model in one stage came to."""

    calls: int = 0
    tokens: int = 0
    inputs: int = 0
    cached: int = 0
    usd: float = 0.0
    milliseconds: list[int] = field(default_factory=list)


def list_trials(chosen: Sequence[str] = ()) -> list[Trial]:
    """The samples, and the further requests, each of which gets the repo of a sample in turn; or the
    ``chosen`` ones.
    """
    samples = [name for name in demo.list_samples() if name != "never-passes"]
    found = [
        Trial(name, (folder / "feature_request.md").read_text(encoding="utf-8"), folder / "repo")
        for name in samples
        for folder in [ROOT / "samples" / name]
    ]
    further = sorted((ROOT / "bench" / "prompts").glob("*.md"))
    repos = [trial.repo for trial in found]
    for number, path in enumerate(further):
        found.append(Trial(path.stem, path.read_text(encoding="utf-8"), repos[number % len(repos)]))
    return [trial for trial in found if not chosen or trial.name in chosen]


def capture_requests(trial: Trial) -> Iterator[tuple[str, Request]]:
    """Each stage with the request that it would send, as far as it does not depend on an answer."""
    files = {
        path.relative_to(trial.repo).as_posix(): path.read_bytes()
        for path in trial.repo.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    bundle = build_bundle(files, trial.text, max_bytes=180_000, pruning=True)
    for stage, model in MODELS.items():
        prompt = prompts.load_prompt(stage)
        variables: dict[str, str] = defaultdict(lambda: "(what an earlier stage answered)")
        variables["feature_request"] = prompts.escape_request(trial.text)
        yield (
            stage,
            Request(
                model=model,
                system=prompt.system.substitute(variables),
                prompt=prompt.text.substitute(variables),
                max_output_tokens=4096 + THINKING_TOKENS["medium"],
                timeout_seconds=120.0,
                stable=prompts.repository_prefix(bundle.text),
                json_schema=SCHEMAS.get(stage),
                effort="medium",
            ),
        )


def build_body(request: Request) -> tuple[str, dict[str, Any]]:
    """The path and the body of ``request`` as its adapter sends them."""
    provider = provider_for_model(request.model)
    if provider == "anthropic":
        return "/v1/messages", {**anthropic.build_body(request), "stream": True}
    if provider == "google":
        path = google_genai.build_path(request).partition("?")[0]
        return f"/v1beta/{path}", google_genai.build_body(request)
    path, body = openai.build_body(request)
    return f"/v1{path}", {**body, "stream": True}


def find_refusal(request: Request) -> str:
    """Why a vendor would refuse ``request``; empty where it would not."""
    path, body = build_body(request)
    wire = next(wire for pattern, wire in ROUTES if pattern.search(path))
    try:
        wire.read_question(path, _HEADERS, json.loads(json.dumps(body)))
    except RequestRejected as refused:
        return f"{refused.status} {refused.message}"
    return ""


def check_requests(chosen: Sequence[str] = ()) -> int:
    """Check every request that can be captured; 1 where a vendor would refuse one."""
    checked, refused = 0, 0
    for trial in list_trials(chosen):
        for stage, request in capture_requests(trial):
            checked += 1
            if reason := find_refusal(request):
                refused += 1
                sys.stdout.write(f"{trial.name} {stage} {request.model}: {reason}\n")
    sys.stdout.write(
        f"{checked} requests checked, {refused} would be refused. No model was asked: "
        f"set {', '.join(KEYS.values())} to ask them.\n"
    )
    return 1 if refused else 0


def run_trials(chosen: Sequence[str] = ()) -> int:
    """Run every request as a flow, and write what came of it."""
    environment = {"PORT": str(embedded.find_free_port()), "DATABASE_URL": GIVEN_DATABASE}
    flows: list[dict[str, Any]] = []
    figures: dict[tuple[str, str], Figures] = defaultdict(Figures)
    logs = ROOT / ".state" / "prompts-logs"
    with stack.run_processes(
        demo.PROCESSES, state=None, logs=logs, simulator=False, environment=environment, say=_say
    ) as running:
        for trial in list_trials(chosen):
            flow, calls = _run_trial(running, trial)
            flows.append({**flow, "trial": trial.name})
            _add_calls(figures, calls)
            # After each: what was paid for is not lost with what comes after it.
            write_results("prompts", summarise(flows, figures))
    return 0


def summarise(
    flows: Sequence[Mapping[str, Any]], figures: Mapping[tuple[str, str], Figures]
) -> dict[str, Any]:
    """The results: of all flows, and of each stage and model."""
    passed = [flow for flow in flows if flow["status"] == "passed"]
    first = [flow for flow in passed if all(stage["round"] == 1 for stage in flow["stages"])]
    results: dict[str, Any] = {
        "flows": len(flows),
        "asked_elsewhere": " ".join(name for name in KEYS if os.environ.get(f"{name.upper()}_BASE_URL")),
        "prompt_versions": json.dumps(prompts.VERSIONS),
        "passed_first_round": round(len(first) / len(flows), 3),
        "passed_last_round": round(len(passed) / len(flows), 3),
        "not_passed": " ".join(flow["trial"] for flow in flows if flow["status"] != "passed"),
        "usd_per_flow": round(sum(float(flow["cost_usd"]) for flow in flows) / len(flows), 4),
    }
    for (stage, model), found in sorted(figures.items()):
        key = f"{stage}_{model}"
        results[f"{key}_calls"] = found.calls
        results[f"{key}_tokens"] = found.tokens
        results[f"{key}_cache_share"] = round(found.cached / max(found.inputs, 1), 3)
        results[f"{key}_usd"] = round(found.usd, 4)
        results[f"{key}_seconds_p50"] = statistics.median(found.milliseconds or [0]) / 1000
    return results


def _run_trial(running: stack.Stack, trial: Trial) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One flow to its end by the command line; the flow and its calls as REST shows them."""
    sample = trial.repo.parent.name
    folder = sample_repo.check_out_sample(sample, ROOT / ".state" / "prompts" / sample)
    (folder / "feature_request.md").write_text(trial.text, encoding="utf-8")
    _say(trial.name)
    demo.run_flow(sample, running, folder)
    address = f"http://{running.values['HOST']}:{running.values['PORT']}"
    with Client(address, running.access["token"]) as client:
        newest = client.get("flows/", repo=demo.find_sample_repo(sample))["results"][0]["id"]
        return client.get(f"flows/{newest}/"), client.get(f"flows/{newest}/calls/")["calls"]


def _add_calls(figures: dict[tuple[str, str], Figures], calls: list[dict[str, Any]]) -> None:
    for call in calls:
        found, tokens = figures[call["stage"], call["model"]], call["tokens"]
        found.calls += 1
        found.tokens += sum(tokens.values())
        found.inputs += sum(tokens.values()) - tokens["output"] - tokens["reasoning"]
        found.cached += tokens["cache_read"]
        found.usd += float(call["cost_usd"])
        # A call that was not sent has none.
        if call["latency_ms"] is not None:
            found.milliseconds.append(call["latency_ms"])


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


# Not called main, so that make bench, which runs every benchmark, never pays for it.
def try_prompts(chosen: Sequence[str] = ()) -> int:
    """Ask the models where every vendor that is needed has a key; else check what would be sent."""
    needed = {provider_for_model(model) for model in MODELS.values()}
    if all(settings.PROVIDERS[provider]["api_key"] for provider in needed):
        return run_trials(chosen)
    return check_requests(chosen)


if __name__ == "__main__":
    sys.exit(try_prompts(sys.argv[1:]))
