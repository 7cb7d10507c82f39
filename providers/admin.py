"""Providers for SREs: quota and chart, pause and resume with a reason, and the ledger.

Nothing here writes a counter.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from blocks.format.moments import describe_moment, read_moments
from orchestrator.core.admin import KeysetAdmin, ReadOnlyAdmin, UndeletableAdmin
from providers import breaker, chart, quota_report
from providers.models import ProviderCall, ProviderChange, ProviderState

_LABELS = {"ok": "success", "warning": "warning", "paused": "danger", "rollback": "danger"}
# A pause by the quota breaker is not called one here: that is what an operator does.
_WORDS = {"ok": "", "warning": ": warning", "paused": ": no new call", "rollback": ": roll back"}


class SwitchForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator may change, and why."""

    end_wait = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Call the provider at once, although it asked to wait: the account was topped up, say.",
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget, help_text="Recorded with your name and the time."
    )

    class Meta:
        model = ProviderState
        fields = ["paused"]
        widgets = {"paused": UnfoldBooleanSwitchWidget}


@admin.register(ProviderState)
class ProviderStateAdmin(UndeletableAdmin):
    """One provider: what is used, when capacity returns, the last 24 hours, the switch."""

    form = SwitchForm
    list_display = ["provider", "level", "used", "reserved", "slots", "health", "next_call"]
    ordering = ["provider"]
    readonly_fields = [
        "last_24_hours",
        "standing",
        "reserved",
        "slots",
        "last_minute",
        "health",
        "next_call",
        "spent",
        "changes",
    ]
    fields = [*readonly_fields, "paused", "end_wait", "reason"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderState]:
        """Return every provider, also one that was never called."""
        # Asking for a quota creates the missing row, so the page lists providers before their first call.
        if ProviderState.objects.count() < len(quota_report.provider_names()):
            quota_report.read_quotas()
        rows: QuerySet[ProviderState] = super().get_queryset(request)
        return rows

    # The limiter adds a provider's row when the provider is first asked. Changing stays allowed, for the
    # switch.
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: ProviderState,
        form: Any,
        change: bool,  # noqa: ARG002
    ) -> None:
        """Pause or resume by the breaker, which records who, when and why."""
        # Never ``obj.save()``: it would write counters that calls have changed since the page was loaded.
        turn = breaker.pause_provider if obj.paused else breaker.resume_provider
        actor, reason = request.user.get_username(), form.cleaned_data["reason"]
        turn(obj.provider, actor=actor, reason=reason)
        if form.cleaned_data.get("end_wait"):
            breaker.end_wait(obj.provider, actor=actor, reason=reason)

    def last_24_hours(self, state: ProviderState) -> SafeString:
        """Draw the chart."""
        threshold = settings.CIRCUIT_BREAKER_THRESHOLD if settings.ENABLE_CIRCUIT_BREAKER else None
        return chart.draw_hours(_of(state).hours, _of(state).limit, threshold)

    @display(description="quota", label=_LABELS)  # type: ignore[untyped-decorator]  # unfold has no types
    def level(self, state: ProviderState) -> tuple[str, str]:
        """Return the level of the quota breaker and its text. Unfold shows such a label in lists only."""
        return _of(state).level.value, _level(state)

    def health(self, state: ProviderState) -> str:
        """Say whether the health breaker is open and how long the provider asked to wait."""
        one = _of(state)
        words, now = f"breaker {one.breaker}", timezone.now()
        if one.breaker_until:
            words += f" until {describe_moment(one.breaker_until, now)}"
        if one.not_before:
            words += f", asked to wait until {describe_moment(one.not_before, now)}"
        if one.account_exhausted:
            words += f"; the account has run out: {state.wait_reason}"
        return words

    @display(description="used tokens")  # type: ignore[untyped-decorator]
    def used(self, state: ProviderState) -> str:
        """Say how much of the daily quota is used."""
        return f"{_of(state).used:,} of {_of(state).limit:,}"

    @display(description="used tokens")  # type: ignore[untyped-decorator]
    def standing(self, state: ProviderState) -> str:
        """Say the same on the page of one provider, with the level in words."""
        return f"{self.used(state)} ({_level(state)})"

    def reserved(self, state: ProviderState) -> str:
        """Say how many tokens the calls under way have reserved."""
        return f"{_of(state).reserved:,} tokens"

    def slots(self, state: ProviderState) -> str:
        """Say how many calls are under way."""
        return f"{_of(state).inflight} of {_of(state).concurrency_limit} calls"

    def last_minute(self, state: ProviderState) -> str:
        """Say what the last minute used of its limits."""
        one = _of(state)
        return (
            f"{one.requests_minute:,} of {one.requests_minute_limit:,} requests, "
            f"{one.tokens_minute:,} of {one.tokens_minute_limit:,} tokens"
        )

    def next_call(self, state: ProviderState) -> str:
        """Say whether a call may leave now and, if not, who or what is in the way."""
        one = _of(state)
        if one.paused:
            return f"paused by an operator: {one.pause_reason}"
        if one.next_capacity.admits:
            return "now"
        return read_moments(one.next_capacity.reason, timezone.now())

    def spent(self, state: ProviderState) -> str:
        """Say what the last 24 hours cost."""
        one = _of(state)
        words = f"{one.usd:.4f} USD"
        if one.unknown_calls:
            words += (
                f", of which {one.unknown_usd:.4f} USD for calls whose use is not known ({one.unknown_calls})"
            )
        return words

    @display(description="newest changes")  # type: ignore[untyped-decorator]
    def changes(self, state: ProviderState) -> SafeString:
        """List who or what paused, resumed, opened and closed it, when and why."""
        newest = ProviderChange.objects.filter(provider=state.provider)[:5]
        lines = ((f"{one.created_at:%d %b %H:%M:%S}", one.action, one.actor, one.reason) for one in newest)
        return format_html_join(mark_safe("<br>"), "{} {} by {}: {}", lines) or SafeString("none")


@admin.register(ProviderCall)
class ProviderCallAdmin(KeysetAdmin):
    """The ledger."""

    list_display = [
        "created_at",
        "provider",
        "shown_model",
        "repo",
        "stage_kind",
        "status",
        "tokens",
        "usage_source",
        "cost_usd",
        "latency_ms",
        "error_code",
    ]
    # Keys of calls are random, so the newest are those of the latest moment.
    keyset = ("created_at", "pk")
    list_filter = ["status"]
    search_fields = ["flow_id"]
    search_help_text = "The id of a flow, or a provider"
    list_select_related = False
    # The vendor's response may be megabytes, and it holds what the model wrote.
    exclude = ["response", "answer"]

    def find_rows(self, rows: QuerySet[ProviderCall], words: str) -> QuerySet[ProviderCall]:
        """The calls of a flow, or of a provider."""
        field = "provider" if words in quota_report.provider_names() else "flow_id"
        return rows.filter(**{field: words})

    def tokens(self, call: ProviderCall) -> str:
        """Return the tokens used, or in brackets those reserved while the use is not known."""
        parts = (
            call.input_tokens,
            call.cache_read_tokens,
            call.cache_write_5m_tokens,
            call.cache_write_1h_tokens,
        )
        used = sum(parts) + call.output_tokens + call.reasoning_tokens
        return f"{used:,}" if used else f"({call.reserved_tokens:,})"


@admin.register(ProviderChange)
class ProviderChangeAdmin(ReadOnlyAdmin):
    """Who paused and resumed what, and why; when breakers opened and closed."""

    list_display = ["created_at", "provider", "action", "actor", "reason"]
    list_filter = ["provider", "action", "actor"]


def _level(state: ProviderState) -> str:
    """Say how much of the quota is used and what the quota breaker does about it."""
    return f"{_of(state).percent} %{_WORDS[_of(state).level.value]}"


def _of(state: ProviderState) -> quota_report.ProviderQuota:
    """Return the quota of the row's provider, read once per row of a page."""
    # Each column asks for it. The row object lives as long as the page, so the figures agree on one line.
    known: quota_report.ProviderQuota | None = getattr(state, "_quota", None)
    if known is None:
        known = next(one for one in quota_report.read_quotas().providers if one.provider == state.provider)
        state._quota = known  # type: ignore[attr-defined]
    return known
