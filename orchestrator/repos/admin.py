"""Repos, their settings and tokens, for SREs."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from orchestrator.repos import repo_settings, tokens
from orchestrator.repos.models import Repo, RepoSetting, Token


class SettingsOfRepo(TabularInline):  # type: ignore[misc]  # unfold has no types
    """The history of a repo's settings: rows are added elsewhere, and never changed."""

    model = RepoSetting
    extra = 0
    fields = readonly_fields = ["key", "value", "actor", "created_at"]
    can_delete = False
    verbose_name_plural = "history of settings, newest first"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Settings are added under Repo settings, where they are checked."""
        return False


@admin.register(Repo)
class RepoAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Repos. They are switched off, never deleted: flows and blocks hang on them."""

    list_display = ["name", "domain", "team_lead", "phase", "enabled", "allowed", "paused", "onboarded_at"]
    list_filter = ["phase", "enabled", "paused", "domain"]
    search_fields = ["name", "domain", "team_lead"]
    readonly_fields = ["onboarded_at", "enabled", "paused"]
    actions = ["switch_on", "switch_off"]
    inlines = [SettingsOfRepo]

    @admin.display(boolean=True, description="in force")
    def allowed(self, repo: Repo) -> bool:
        """Switched on, and named in REPO_ALLOWLIST where that is set."""
        return repo.is_enabled

    @admin.action(description="Switch on: flows may be started")
    def switch_on(self, request: HttpRequest, rows: QuerySet[Repo]) -> None:
        """Enable, with a row of history for each."""
        self._switch(request, rows, on=True)

    @admin.action(description="Switch off: no new flows")
    def switch_off(self, request: HttpRequest, rows: QuerySet[Repo]) -> None:
        """Disable, with a row of history for each."""
        self._switch(request, rows, on=False)

    def _switch(self, request: HttpRequest, rows: QuerySet[Repo], *, on: bool) -> None:
        for repo in rows:
            repo_settings.put(repo, "enabled", on, actor=request.user.get_username())
        self.message_user(request, f"{rows.count()} switched {'on' if on else 'off'}.")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002 - Django's signature
        """The name is what everything else refers to: given once."""
        return [*self.readonly_fields, *(["name"] if obj else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False


class SettingForm(ModelForm):  # type: ignore[type-arg]  # generic in its types only
    """A new value, checked as everywhere."""

    class Meta:
        model = RepoSetting
        fields = ["repo", "key", "value"]

    def clean(self) -> dict[str, Any]:
        """Refuse what the API refuses: unknown keys, wrong types, thresholds under the organisation's."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if {"key", "value"} <= found.keys():
            try:
                repo_settings.check(found.get("repo"), found["key"], found["value"])
            except repo_settings.SettingRefused as error:
                self.add_error("value", f"{error} {error.cure}")
        return found


@admin.register(RepoSetting)
class RepoSettingAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Settings, append-only: the newest row of a key counts, the others are its history."""

    form = SettingForm
    list_display = ["key", "value", "repo", "actor", "created_at"]
    list_filter = ["key", "repo"]
    search_fields = ["key", "repo__name", "actor"]

    def save_model(self, request: HttpRequest, obj: RepoSetting, form: Any, change: bool) -> None:  # noqa: ARG002
        """Through the one way in which settings are set; the row that it writes is the one shown."""
        repo_settings.put(obj.repo, obj.key, obj.value, actor=request.user.get_username())
        newest = RepoSetting.objects.filter(repo=obj.repo, key=obj.key).latest("id")
        obj.pk, obj.value, obj.actor = newest.pk, newest.value, newest.actor

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never: a change is a new row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False


@admin.register(Token)
class TokenAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Tokens. The secret is shown once, after saving; what is kept cannot be turned back into it."""

    list_display = ["name", "repo", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["repo", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "repo__name"]
    fields = ["name", "repo"]
    actions = ["revoke"]

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:  # noqa: ARG002
        """Make the token, and say its secret this once."""
        made, secret = tokens.create(obj.name, obj.repo)
        obj.pk = made.pk
        self.message_user(request, f"Copy the token now, it is not shown again: {secret}", messages.WARNING)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, rows: QuerySet[Token]) -> None:
        """End the chosen tokens."""
        ended = sum(tokens.revoke(token) for token in rows)
        self.message_user(request, f"{ended} revoked.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the list and its actions: a token is made or revoked, never altered."""
        return obj is None and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never: a revoked token stays, so that the history has its name."""
        return False
