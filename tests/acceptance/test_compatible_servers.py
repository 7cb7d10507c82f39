"""A whole flow whose models all run on servers that speak OpenAI's protocol: configured, no line of code."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from blocks.cli.client import Client
from orchestrator.dev import demo, embedded, sample_repo, stack
from tests.acceptance.compatible_server import CompatibleServer
from tests.acceptance.conftest import GIVEN
from tests.providers.simulated import started

SAMPLE = "devops-tooling"
SERVERS = ("ollama", "openrouter", "vllm")
PROCESSES = ("web", "gates", "control", "dispatcher", *SERVERS)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def servers() -> Iterator[dict[str, CompatibleServer]]:
    with ExitStack() as running:
        simulated = running.enter_context(started("--samples", str(stack.ROOT / "samples")))
        target = simulated.urls["OPENAI_BASE_URL"]
        yield {
            name: running.enter_context(server)
            for name, server in {
                "ollama": CompatibleServer(target, "qwen2.5-coder:32b", tells_usage=False),
                "openrouter": CompatibleServer(target, "qwen/qwen3-coder", comments=True),
                "vllm": CompatibleServer(target, "meta-llama/Llama-3.3-70B:fp8"),
            }.items()
        }


def describe_environment(servers: dict[str, CompatibleServer]) -> dict[str, str]:
    prices = {"ollama": ("0", "0"), "openrouter": ("0.30", "1.20"), "vllm": ("0", "0")}
    environment = {name: "" for name in os.environ if name.startswith(GIVEN)}
    environment |= {
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "PORT": str(embedded.find_free_port()),
        "COMPATIBLE_PROVIDERS": ",".join(SERVERS),
        "ARCHITECT_MODEL": servers["openrouter"].model,
        "IMPLEMENTATION_MODEL": servers["vllm"].model,
        "CONTEXT_MODEL": servers["ollama"].model,
        "REPO_ALLOWLIST": ",".join(stack.list_sample_repos()),
        "ENGINE_BACKOFF_SECONDS": "0",
    }
    for name, server in servers.items():
        cost = {"input": prices[name][0], "output": prices[name][1], "max_output_tokens": 32_768}
        environment |= {
            f"{name.upper()}_BASE_URL": server.url,
            f"{name.upper()}_MODELS": json.dumps({server.model: cost}),
        }
    return environment


def read_newest(running: stack.Stack) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The newest flow and its calls."""
    address = f"http://{running.values['HOST']}:{running.values['PORT']}"
    with Client(address, running.access["token"]) as client:
        newest = client.get("flows/")["results"][0]["id"]
        return client.get(f"flows/{newest}/"), client.get(f"flows/{newest}/calls/")["calls"]


def test_a_flow_passes_on_three_servers_and_a_prompt_that_one_cut_is_noticed(
    servers: dict[str, CompatibleServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPATIBLE_PROVIDERS", ",".join(SERVERS))
    with stack.run_processes(
        PROCESSES,
        state=None,
        logs=tmp_path / "logs",
        simulator=False,
        environment=describe_environment(servers),
    ) as running:
        folder = sample_repo.check_out_sample(SAMPLE, tmp_path / SAMPLE)
        assert demo.run_flow(SAMPLE, running, folder) == 0
        flow, calls = read_newest(running)
        assert {(call["provider"], call["model"]) for call in calls} == {
            (name, server.model) for name, server in servers.items()
        }
        assert {call["status"] for call in calls} == {"settled"}
        assert {call["usage_source"] for call in calls if call["provider"] == "ollama"} == {"estimated"}
        costs = {name: float(usd) for name, usd in flow["cost_by_provider"].items()}
        assert costs["ollama"] == costs["vllm"] == 0 < costs["openrouter"]
        shown = {stage["kind"]: stage["model"] for stage in flow["stages"]}
        assert (shown["context"], shown["plan"], shown["implement"]) == tuple(
            servers[name].model for name in ("ollama", "openrouter", "vllm")
        )

        ollama = servers["ollama"]
        ollama.tells_usage, ollama.window = True, 2_000
        (folder / "large.py").write_text("VALUE = 'a line of a large module'\n" * 1000, encoding="utf-8")
        assert demo.run_flow(SAMPLE, running, folder) == 1
        flow, calls = read_newest(running)
        assert flow["error"]["code"] == "provider:prompt-cut"
        assert "2,000 tokens of a prompt of" in flow["error"]["message"]
        assert "OLLAMA_CONTEXT_LENGTH" in flow["error"]["cure"]
        # Not asked again: the same prompt would be cut again.
        assert [(call["status"], call["error_code"]) for call in calls] == [
            ("settled", "provider:prompt-cut")
        ]
