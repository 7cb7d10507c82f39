"""Providers for SREs: quota and chart, pause and resume with a reason, and the ledger. Nothing here writes a counter."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from providers import breaker, chart, quota
from providers.models import ProviderCall, ProviderChange, ProviderState


class SwitchForm(forms.ModelForm):  # type: ignore[type-arg]
    """The one thing that an operator may change, and why."""

    reason = forms.CharField(widget=UnfoldAdminTextareaWidget, help_text="Recorded with your name and the time.")

    class Meta:
        model = ProviderState
        fields = ["paused"]
        widgets = {"paused": UnfoldBooleanSwitchWidget}


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """Rows that people look at and code writes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False


@admin.register(ProviderState)
class ProviderStateAdmin(ReadOnly):
    """One provider: what is used, when capacity returns, the last 24 hours, the switch."""

    form = SwitchForm
    list_display = ["provider", "level", "used", "reserved", "slots", "breaker", "paused"]
    fields = ["last_24_hours", "level", "used", "reserved", "slots", "a_minute", "next_capacity", "spent", "paused", "reason"]
    readonly_fields = ["last_24_hours", "level", "used", "reserved", "slots", "a_minute", "next_capacity", "spent"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The switch may be turned by those who may change the model."""
        return ModelAdmin.has_change_permission(self, request, obj)  # type: ignore[no-any-return]

    def save_model(self, request: HttpRequest, obj: ProviderState, form: Any, change: bool) -> None:  # noqa: ARG002
        """Through the breaker, which records who, when and why; the counters are never saved from here."""
        turn = breaker.pause if obj.paused else breaker.resume
        turn(obj.provider, actor=request.user.get_username(), reason=form.cleaned_data["reason"])

    def last_24_hours(self, state: ProviderState) -> SafeString:
        """The chart."""
        seen = quota.snapshot()
        return chart.hours(_of(state).hours, _of(state).limit, seen.circuit_breaker_threshold)

    def level(self, state: ProviderState) -> str:
        """Of the quota breaker."""
        return f"{_of(state).level.value} ({_of(state).percent} %)"

    def used(self, state: ProviderState) -> str:
        """Of the daily quota."""
        return f"{_of(state).used:,} of {_of(state).limit:,}"

    def reserved(self, state: ProviderState) -> str:
        """By calls under way."""
        return f"{_of(state).reserved:,}"

    def slots(self, state: ProviderState) -> str:
        """Calls under way."""
        return f"{_of(state).inflight} of {_of(state).concurrency_limit}"

    def a_minute(self, state: ProviderState) -> str:
        """In the last minute."""
        one = _of(state)
        return (
            f"{one.requests_minute:,} of {one.requests_minute_limit:,} requests, "
            f"{one.tokens_minute:,} of {one.tokens_minute_limit:,} tokens"
        )

    def next_capacity(self, state: ProviderState) -> str:
        """Whether a call may go now."""
        hint = _of(state).next_capacity
        return "now" if hint.admits else f"{hint.reason} ({hint.at:%H:%M:%S})"

    def spent(self, state: ProviderState) -> str:
        """In the last 24 hours."""
        one = _of(state)
        return f"{one.usd:.4f} USD, of which {one.unknown_usd:.4f} USD unknown in {one.unknown_calls} calls"


@admin.register(ProviderCall)
class ProviderCallAdmin(ReadOnly):
    """The ledger."""

    list_display = [
        "created_at",
        "provider",
        "model",
        "repo",
        "stage_kind",
        "status",
        "tokens",
        "cost_usd",
        "latency_ms",
        "error_code",
    ]
    list_filter = ["provider", "status", "model", "stage_kind", "error_code"]
    search_fields = ["id", "repo", "flow__id"]
    date_hierarchy = "created_at"
    list_select_related = False
    exclude = ["response", "answer"]

    def tokens(self, call: ProviderCall) -> str:
        """Used, or reserved while that is not known."""
        parts = (call.input_tokens, call.cache_read_tokens, call.cache_write_5m_tokens, call.cache_write_1h_tokens)
        used = sum(parts) + call.output_tokens + call.reasoning_tokens
        return f"{used:,}" if used else f"({call.reserved_tokens:,})"


@admin.register(ProviderChange)
class ProviderChangeAdmin(ReadOnly):
    """Who paused and resumed what, and why; when breakers opened and closed."""

    list_display = ["created_at", "provider", "action", "actor", "reason"]
    list_filter = ["provider", "action", "actor"]


def _of(state: ProviderState) -> quota.ProviderQuota:
    return next(one for one in quota.snapshot().providers if one.provider == state.provider)
