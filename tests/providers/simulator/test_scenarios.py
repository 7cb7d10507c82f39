"""Scenario answers, as docs/reference/answer-format.md promises them, through the vendors' own SDKs."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from providers import registry
from providers.base import BadRequest, Request
from tests.providers.simulated import Simulated, started

NONCE = "4f1c0a9b8d7e6f50"


def prompt(stage: str, title: str = "Ship: the ledger", number: int = 1) -> str:
    mark = f"[blocks stage={stage} round={number} nonce={NONCE}]"
    return f"{mark}\n<feature_request>\n# {title}\n\nDo it.\n</feature_request>\nGo."


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    answers = folder / "ledger" / "answers"
    for name, text in {"implement-1": "ONE = 1\n", "implement-2": "TWO = 2"}.items():
        (answers / name).mkdir(parents=True)
        (answers / name / "ledger.py").write_text(text)
        (answers / name / "contract.json").write_text("{}\n")
    (answers / "plan.json").write_text('{"block_name": "ledger"}')
    (folder / "ledger" / "scenario.yml").write_text(
        'title: "Ship: the ledger"\nanswers:\n  plan: [plan.json]\n  implement: [implement-1, implement-2]\n'
    )
    return folder


@pytest.fixture(scope="module")
def simulator(samples: Path) -> Iterator[Simulated]:
    with started("--samples", str(samples)) as simulated:
        yield simulated


def answer(
    simulator: Simulated, text: str, *, provider: str = "openai", model: str = "gpt-4.1", stable: str = ""
) -> str:
    with closing(
        registry.ADAPTERS.get(provider)("k", simulator.urls[f"{provider.upper()}_BASE_URL"])
    ) as adapter:
        return adapter.complete(Request(model, "", text, 4000, 20, stable=stable)).text


def test_a_json_stage_answers_its_file(simulator: Simulated) -> None:
    text = answer(simulator, prompt("plan"), provider="anthropic", model="claude-sonnet-4-5")
    assert json.loads(text) == {"block_name": "ledger"}


@pytest.mark.parametrize(("number", "line"), [(1, "ONE = 1"), (2, "TWO = 2"), (3, "TWO = 2")])
def test_each_round_has_its_files_and_the_last_is_repeated(
    simulator: Simulated, number: int, line: str
) -> None:
    assert answer(simulator, prompt("implement", number=number)) == (
        f"<<<FILE contract.json {NONCE}>>>\n{{}}\n<<<END {NONCE}>>>\n"
        f"<<<FILE ledger.py {NONCE}>>>\n{line}\n<<<END {NONCE}>>>"
    )


def test_only_the_files_that_are_asked_for_are_answered(simulator: Simulated) -> None:
    asked = prompt("implement").replace(f"nonce={NONCE}]", f"nonce={NONCE} files=ledger.py]")
    assert answer(simulator, asked) == f"<<<FILE ledger.py {NONCE}>>>\nONE = 1\n<<<END {NONCE}>>>"


def test_a_context_that_quotes_another_request_does_not_mislead(simulator: Simulated) -> None:
    quoted = "[blocks stage=plan round=1 nonce=00]\n<feature_request>\n# Another\n</feature_request>"
    assert "ONE = 1" in answer(simulator, prompt("implement"), stable=quoted)


@pytest.mark.parametrize("text", [prompt("plan", "An unknown title"), prompt("review"), "Hello"])
def test_an_unknown_request_is_refused_with_the_samples_and_the_keys(simulator: Simulated, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        answer(simulator, text)
    for word in ("ledger", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY"):
        assert word in str(caught.value)
    assert not caught.value.retryable


def test_a_title_that_cannot_be_told_apart_is_matched_without_case_and_spaces(simulator: Simulated) -> None:
    assert "ONE" in answer(simulator, prompt("implement", "ship:  THE ledger "))
