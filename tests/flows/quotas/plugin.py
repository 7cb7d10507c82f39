"""Flow types whose stages ask one provider one question, and do nothing else."""

from orchestrator.flows.flow_types import FlowType, StageSpec
from orchestrator.flows.stage_protocol import Done, StageContext, StageResult
from orchestrator.queues import Queue
from providers.base import Request

MODELS = {"google": "gemini-2.5-flash", "anthropic": "claude-sonnet-4-5", "openai": "gpt-4.1"}
FLOW_TYPES = (
    FlowType(
        "asking",
        1,
        (
            StageSpec("ask_google", Queue.GOOGLE),
            StageSpec("ask_anthropic", Queue.ANTHROPIC),
            StageSpec("ask_openai", Queue.OPENAI),
        ),
    ),
    FlowType(
        "apart",
        1,
        (
            StageSpec("ask_openai", Queue.OPENAI),
            StageSpec("ask_anthropic", Queue.ANTHROPIC, apart_from=("ask_openai",)),
        ),
    ),
)
STAGES = {f"ask_{name}": f"tests.flows.quotas.plugin:{name}" for name in MODELS}
PROMPT = "What does this repository need? " * 60


def request(provider: str) -> Request:
    """The question."""
    return Request(
        model=MODELS[provider],
        system="",
        prompt=PROMPT,
        max_output_tokens=100,
        timeout_seconds=20,
        prompt_name="question.v7",
    )


class Ask:
    """One question to one provider."""

    def __init__(self, provider: str) -> None:
        self.kind, self.provider = f"ask_{provider}", provider

    def run(self, work: StageContext) -> StageResult:
        """Ask; keep the answer."""
        return Done(output={"answer": work.call_model(self.provider, request(self.provider)).text})


google, anthropic, openai = Ask("google"), Ask("anthropic"), Ask("openai")
