"""The words that every provider shares: a request, a completion, its usage, and the errors that a call may
end in.

An adapter (one module in ``providers/adapters``) translates these to one vendor's SDK and back. It does
not know quotas, prices or the database: ``providers.calls`` wraps it with those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.core.redaction import redact_text


class StopReason(StrEnum):
    """Why a model stopped."""

    END = "end"
    LENGTH = "length"
    REFUSAL = "refusal"
    CONTENT_FILTER = "content_filter"


def ignore_text(text: str) -> None:
    """Nobody watches the answer come."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one model.

    ``stable`` is the part that does not change between calls of the same flow (the context bundle); it goes
    first and is marked for caching where the vendor can. ``max_output_tokens`` covers thinking tokens too.
    ``timeout_seconds`` is the wall clock of the whole call, ``silence_seconds`` that of a pause in its answer
    (0: as long as the whole call); its first text may take ``thinking_seconds`` longer, because most vendors
    send nothing while a model thinks. ``effort`` is how much the model should think: ``low``, ``medium``,
    ``high``, or empty for the vendor's default. ``prompt_name`` is what the texts were made from, with its
    version, for people. ``note_text`` is told each piece of text as it comes; it is quick and raises nothing.
    """

    model: str
    system: str
    prompt: str
    max_output_tokens: int
    timeout_seconds: float
    stable: str = ""
    json_schema: Mapping[str, Any] | None = None
    silence_seconds: float = 0.0
    thinking_seconds: float = 0.0
    effort: str = ""
    prompt_name: str = field(default="", compare=False)
    note_text: Callable[[str], None] = field(default=ignore_text, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call in disjoint parts: their sum is the provider's total."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    # Apart, because Anthropic sells the two kinds of cache writes at two prices.
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def read_tokens(self) -> int:
        """Return the tokens of the prompt, cached or not."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )

    @property
    def written_tokens(self) -> int:
        """Return the tokens of the answer, and of what was thought before it."""
        return self.output_tokens + self.reasoning_tokens

    @property
    def total(self) -> int:
        """Return all tokens that the provider counted."""
        return self.read_tokens + self.written_tokens


class UsageSource(StrEnum):
    """Where the tokens that a call is charged come from."""

    REPORTED = "reported"  # by the vendor, with its answer
    COUNTED = "counted"  # by the vendor's free counter, and what came of the answer
    ESTIMATED = "estimated"  # from the text: no counter could be asked
    DOUBTFUL = "doubtful"  # the vendor's numbers contradict each other: the bound of the call is charged
    MISSING = "missing"  # the vendor reported nothing; never stored, because the call is then counted


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer.

    ``raw`` is the vendor's response as JSON, kept so that usage and price can be recomputed. ``model`` is
    the model that answered. ``usage_source`` says whether ``usage`` can be charged as it is: where it is
    ``MISSING`` or ``DOUBTFUL``, ``providers.charges`` decides what is charged. ``thoughts`` is what the model
    thought, as far as the vendor shows it; ``silent_seconds`` passed before the first text came.
    """

    text: str
    stop_reason: StopReason
    usage: Usage
    model: str
    request_id: str
    raw: Mapping[str, Any] = field(repr=False)
    usage_source: UsageSource = UsageSource.REPORTED
    thoughts: str = field(default="", repr=False, compare=False)
    silent_seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """What had come of an answer when it broke off: its text, and the usage that was known by then.

    ``thoughts`` is what the model thought, as far as the vendor shows it; ``silent_seconds`` passed before
    the first text came, or until the end where none did.
    """

    text: str = field(default="", repr=False)
    usage: Usage | None = None
    thoughts: str = field(default="", repr=False)
    silent_seconds: float = 0.0


class ProviderError(OrchestratorError):
    """A call that returned no usable answer.

    ``spent`` says whether tokens may have been used although no usage is known. ``raw`` is the vendor's
    response as JSON, where there was one. ``partial`` is what had come of an answer that broke off.
    """

    code = "provider:error"
    fixed_by = FixedBy.PROVIDER
    retryable = True
    cure = "The stage is tried again automatically. If it keeps failing, look at the provider's status page."
    # Decides who pays: True keeps the reservation charged, because a vendor may bill an answer that never
    # arrived.
    spent: ClassVar[bool] = False

    retry_after_seconds: float | None = None
    partial: PartialAnswer | None = None

    def __init__(self, provider: str, detail: str = "", *, raw: Mapping[str, Any] | None = None) -> None:
        # Vendors and proxies quote what they were sent, the key included.
        detail, _ = redact_text(detail)
        super().__init__(f"{provider}: {detail or type(self).code}")
        self.provider, self.detail, self.raw = provider, detail, raw


class RateLimited(ProviderError):
    """HTTP 429 before generation: no tokens used.

    All callers wait until ``retry_after_seconds`` have passed.
    """

    code = "provider:rate-limited"
    cure = "The stage waits as long as the provider asked and then continues by itself."

    def __init__(self, provider: str, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(provider, detail)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(ProviderError):
    """The provider is up but refuses work (529, 503). Unlike a 429, this counts against its health."""

    code = "provider:overloaded"


class ServerFailed(ProviderError):
    """The provider failed internally (5xx)."""

    code = "provider:server-error"


class TimedOut(ProviderError):
    """No answer in time. The provider may have generated one, so the reservation stays charged."""

    code = "provider:timeout"
    spent = True


class ConnectionCut(ProviderError):
    """The connection broke after the request had been sent."""

    code = "provider:connection-lost"
    spent = True


class Unreachable(ProviderError):
    """No connection could be made; nothing was sent."""

    code = "provider:unreachable"


class MalformedAnswer(ProviderError):
    """A success status whose body is not what the vendor's protocol promises, or is empty."""

    code = "provider:malformed-answer"
    spent = True


class AnswerMissing(MalformedAnswer):
    """A success without an answer in it, for a reason that only the vendor knows."""

    code = "provider:no-answer"


class AdapterFault(ProviderError):
    """The answer could not be read because of a defect in this product."""

    code = "provider:adapter-fault"
    fixed_by = FixedBy.US
    retryable = False
    cure = "Report it with the flow id and the time; the call is in the ledger."
    spent = True


class NetworkPathFailed(ProviderError):
    """Something on the way answered in the provider's place, or the base URL is not the provider's API."""

    code = "provider:network-path"
    fixed_by = FixedBy.OPERATOR
    cure = (
        "Check <PROVIDER>_BASE_URL and the way from the workers to it: proxy, firewall, login page, DNS. "
        "The stage is tried again automatically."
    )


class BadRequest(ProviderError):
    """The provider rejects the request itself (400, 413, 422)."""

    code = "provider:bad-request"
    # The request is built by this product, so a vendor that refuses it has found a fault here.
    fixed_by = FixedBy.US
    retryable = False
    cure = "Read the provider's message; the request has to change."


class ContextTooLong(BadRequest):
    """The prompt is longer than the model's context window."""

    code = "provider:context-too-long"
    fixed_by = FixedBy.REPO_OWNER
    cure = (
        "Lower context.max_size_kb (`blocks config set context.max_size_kb 90 --repo NAME`), "
        "or take a model with a larger window."
    )


class PromptCut(ContextTooLong):
    """The server read only a part of the prompt, because its window is smaller, and answered to that."""

    code = "provider:prompt-cut"
    fixed_by = FixedBy.OPERATOR
    cure = (
        "Give the server a larger window (OLLAMA_CONTEXT_LENGTH for Ollama, --max-model-len for vLLM), "
        "or lower context.max_size_kb (`blocks config set context.max_size_kb 30 --repo NAME`)."
    )
    spent = True


class RequestTooLarge(BadRequest):
    """The account at the provider never admits a request of this size, however long it waits."""

    code = "provider:request-over-account-limit"
    fixed_by = FixedBy.OPERATOR
    cure = (
        "Lower context.max_size_kb (`blocks config set context.max_size_kb 90 --repo NAME`), "
        "or raise the account's limit at the provider."
    )


class ContentFiltered(BadRequest):
    """The provider's content filter refuses the request."""

    code = "provider:content-filtered"
    fixed_by = FixedBy.REQUESTER
    cure = "Remove text that the filter may misjudge (request or repository), or choose another provider."


class AccountExhausted(ProviderError):
    """The account has no money or no quota left (402, OpenAI's ``insufficient_quota``).

    Nobody calls the provider for a growing pause, or until the time that it named; the stage waits too.
    """

    code = "provider:account-exhausted"
    fixed_by = FixedBy.OPERATOR
    retryable = False
    cure = (
        "Top up the account or raise its spending limit at the provider. "
        "Waiting stages continue by themselves; end the wait in the admin to continue at once."
    )


class AccountRestricted(ProviderError):
    """The provider does not serve this account: closed, without billing, or from this place."""

    code = "provider:account-restricted"
    fixed_by = FixedBy.OPERATOR
    retryable = False
    cure = "Read the provider's message and correct the account at the provider, then retry the flow."


class AuthenticationFailed(ProviderError):
    """The key is missing, wrong, or may not use the model (401, 403)."""

    code = "provider:authentication-failed"
    fixed_by = FixedBy.OPERATOR
    retryable = False
    cure = "Set the provider's API key and check that it may use the configured model."


class UnknownModel(ProviderError):
    """The model does not exist at the provider, or has no price."""

    code = "provider:unknown-model"
    fixed_by = FixedBy.OPERATOR
    retryable = False
    cure = (
        "Set ARCHITECT_MODEL, IMPLEMENTATION_MODEL, CONTEXT_MODEL or FALLBACK_MODEL to a model that "
        "`blocks quota show` lists, or give the model a price in MODEL_PRICES."
    )


class NotAdmitted(OrchestratorError):
    """The call was not sent: a limit, budget, pause or open breaker is in the way.

    ``dimension`` names what denied it (``tokens_day``, ``requests_minute``, ``tokens_minute``,
    ``concurrency``, ``usd_day``, ``breaker``, ``paused``, ``not_before``); ``until`` is when it is worth
    asking again. ``reason`` is for people. ``tokens`` and ``nano_usd`` are what has to be free before the
    call can be sent.
    """

    code = "provider:not-admitted"
    fixed_by = FixedBy.PROVIDER
    retryable = True
    cure = "The stage waits for capacity and continues by itself."

    def __init__(
        self,
        provider: str,
        dimension: str,
        reason: str,
        until: datetime,
        *,
        tokens: int = 0,
        nano_usd: int = 0,
    ) -> None:
        super().__init__(reason)
        self.provider, self.dimension, self.reason, self.until = provider, dimension, reason, until
        self.tokens, self.nano_usd = tokens, nano_usd


class RepoBudgetUsed(NotAdmitted):
    """The repo has used its own budget of the day; the calls of other repos leave.

    ``dimension`` is ``repo_tokens_day`` or ``repo_usd_day``.
    """

    code = "repo:budget-used"
    fixed_by = FixedBy.OPERATOR
    cure = (
        "The stage waits and continues by itself. An operator raises the repo's budget at once: "
        "`blocks config set budget.tokens_day 3000000 --repo NAME`, or budget.usd_day."
    )


class NeverAdmissible(OrchestratorError):
    """The call does not fit into an empty quota or the flow's cost ceiling: waiting does not help."""

    code = "provider:request-too-large"
    fixed_by = FixedBy.REQUESTER
    cure = "Lower context.max_size_kb or split the feature request."


class CostCeilingReached(NeverAdmissible):
    """The call might cost more than the flow may still spend."""

    code = "provider:cost-ceiling"
    cure = (
        "Split the feature request, lower context.max_size_kb, or raise flow.max_cost_usd and start a new "
        "flow; an operator raises FLOW_MAX_COST_USD."
    )


class Adapter(Protocol):
    """One vendor's SDK behind the types above.

    It has no state but its client and is safe to share between threads.
    """

    name: str

    def complete(self, request: Request) -> Completion:
        """Send ``request``; return the whole answer or raise a ``ProviderError``."""
        ...

    def count_tokens(self, request: Request) -> int:
        """Return the provider's own count of the input, in tokens."""
        ...

    def request_bytes(self, request: Request) -> int:
        """Return the bytes of the request, a hard upper bound of its input tokens. It makes no call."""
        ...

    def close(self) -> None:
        """Close the connections; the adapter cannot be used afterwards."""
        ...
