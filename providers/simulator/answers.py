"""Turn a text into an answer with the vendor's usage: caches, thoughts, the length limit."""

from providers.simulator.state import MIN_CACHED_TOKENS, SimulatorState, count_tokens
from providers.simulator.wires.base import Question, SimulatedAnswer


def compose_answer(
    state: SimulatorState, provider: str, asked: Question, text: str, number: int, fault: str
) -> SimulatedAnswer:
    """Compose the answer to ``asked``. A text longer than the caller's limit is cut there and stops for
    length.
    """
    scope = f"{provider} {asked.model}"
    total = count_tokens(asked.text)
    # Anthropic caches what the caller marks; the others cache long prefixes by themselves.
    if provider == "anthropic":
        read, write_5m, write_1h = _count_marked(state, scope, asked)
    else:
        read, write_5m, write_1h = state.read_cached_tokens(scope, asked.text), 0, 0
    stop = fault if fault in {"length", "refusal", "content_filter"} else "end"
    thoughts = count_tokens(text) // 4 if asked.thinks else 0
    if asked.max_tokens and count_tokens(text) + thoughts > asked.max_tokens:
        # Some room is left for text: a model that only thinks would never answer.
        thoughts = min(thoughts, asked.max_tokens // 4)
        text, stop = text.encode()[: 4 * (asked.max_tokens - thoughts)].decode(errors="ignore"), "length"
    elif stop == "length":
        text = text[: len(text) // 2]
    elif stop in {"refusal", "content_filter"}:
        text = ""
    return SimulatedAnswer(
        number=number,
        text=text,
        stop=stop,
        input_tokens=total - read - write_5m - write_1h,
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output_tokens=count_tokens(text),
        reasoning_tokens=thoughts,
    )


def _count_marked(state: SimulatorState, scope: str, asked: Question) -> tuple[int, int, int]:
    """Count tokens read from the cache, written for 5 minutes, written for an hour, by breakpoint."""
    read, written = 0, {300.0: 0, 3600.0: 0}
    for prefix, ttl in asked.prefixes:
        size = count_tokens(prefix)
        # Too short to be cached, as at the vendor: it is billed as plain input.
        if size < MIN_CACHED_TOKENS:
            continue
        if state.mark_breakpoint(scope, prefix, ttl):
            # A hit covers every earlier breakpoint, whose writes are then not billed.
            read, written = size, {300.0: 0, 3600.0: 0}
        else:
            written[ttl] += size - read - sum(written.values())
    return read, written[300.0], written[3600.0]
