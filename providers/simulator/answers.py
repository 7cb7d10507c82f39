"""Turn a text into an answer with the vendor's usage: caches, thoughts, the length limit."""

from typing import Final

from providers.simulator.schema_rules import SchemaRefused, check_answer
from providers.simulator.state import SimulatorState
from providers.simulator.wires.base import Question, RequestRejected, SimulatedAnswer, count_tokens

# Recorded at the vendors' default efforts: 2,688 to 3,840 tokens for trivial prompts. The other efforts are
# in the proportions of the vendors' documentation.
THOUGHTS: Final = {"minimal": 128, "low": 512, "medium": 1536, "high": 3072, "xhigh": 6144, "max": 12_288}
_SHORT_CACHE_SECONDS: Final = 3600.0


def compose_answer(
    state: SimulatorState, provider: str, asked: Question, text: str, number: int, fault: str
) -> SimulatedAnswer:
    """Compose the answer to ``asked``.

    What the model thinks counts against the caller's ceiling, as at the vendors: a text that does not fit
    into the rest is cut there and stops for length. Raises ``RequestRejected`` where the schema of the
    request does not admit the text.
    """
    _check_bound(asked, text)
    density = asked.facts.density
    read, written = state.use_cache(asked.cache, asked.facts.cached_from, density)
    short = sum(tokens for life, tokens in written.items() if life < _SHORT_CACHE_SECONDS)
    # OpenAI has one price for both lives of an entry; only Anthropic's hour costs more.
    long = sum(written.values()) - short if provider == "anthropic" else 0
    short = sum(written.values()) - long
    stop = fault if fault in {"length", "refusal", "content_filter"} else "end"
    thoughts = THOUGHTS.get(asked.effort, 0)
    if asked.budget is not None:
        thoughts = min(thoughts, asked.budget)
    if asked.max_tokens:
        thoughts = min(thoughts, asked.max_tokens)
    if stop in {"refusal", "content_filter"}:
        text = ""
    elif asked.max_tokens and count_tokens(text, density) + thoughts > asked.max_tokens:
        room = int(4 * (asked.max_tokens - thoughts) / density)
        text, stop = text.encode()[:room].decode(errors="ignore"), "length"
    elif stop == "length":
        text = text[: len(text) // 2]
    return SimulatedAnswer(
        number=number,
        text=text,
        stop=stop,
        input_tokens=asked.prompt_tokens - read - short - long,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        output_tokens=count_tokens(text, density),
        reasoning_tokens=thoughts,
    )


def _check_bound(asked: Question, text: str) -> None:
    """Refuse a text that no model bound to the schema of the request could write."""
    if asked.schema is None and not asked.json_only:
        return
    try:
        check_answer(text, asked.schema or {})
    except SchemaRefused as refused:
        place = ".".join(map(str, refused.place)) or "its top level"
        message = (
            f"This is the simulator: the sample's answer is not what the schema of this request admits, "
            f"at {place}: {refused}"
        )
        raise RequestRejected(400, "", message) from refused
