"""Repos, their settings and tokens, for SREs."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import BooleanField, CheckboxSelectMultiple, ChoiceField, ModelForm, MultipleChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from orchestrator.core.admin import AppendOnlyAdmin, ReadOnlyTabularInline, UndeletableAdmin
from orchestrator.core.errors import OrchestratorError
from orchestrator.repos import repo_settings, tokens
from orchestrator.repos.halts import RepoHalted
from orchestrator.repos.models import CiTrust, Membership, Repo, RepoSetting, Token
from orchestrator.repos.scopes import CI_SCOPES, DESCRIPTIONS, OPERATOR_SCOPES, TRUSTED_SCOPES, TokenScope


class SettingsOfRepo(ReadOnlyTabularInline):
    """The history of a repo's settings. They are added under Repo settings, where they are checked."""

    model = RepoSetting
    fields = readonly_fields = ["key", "value", "actor", "created_at"]
    verbose_name_plural = "history of settings, newest first"


class MembersOfRepo(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Who may see the repo's flows on the pages, and who may act on them."""

    model = Membership
    fields = ["user", "role"]
    extra = 0
    tab = True


@admin.register(Repo)
class RepoAdmin(UndeletableAdmin):
    """Repos. They are switched off, never deleted: flows and blocks hang on them."""

    list_display = ["name", "domain", "team_lead", "phase", "enabled", "allowed", "paused", "onboarded_at"]
    list_filter = ["phase", "enabled", "paused", "domain"]
    search_fields = ["name", "domain", "team_lead"]
    readonly_fields = ["onboarded_at", "enabled", "paused"]
    actions = ["switch_on", "switch_off"]
    inlines = [MembersOfRepo, SettingsOfRepo]

    @admin.display(boolean=True, description="in force")
    def allowed(self, repo: Repo) -> bool:
        """Switched on, and named in REPO_ALLOWLIST where that is set."""
        return repo.is_enabled

    @admin.action(description="Switch on: flows may be started", permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[Repo]) -> None:
        """Enable, with a row of history for each."""
        self._switch(request, rows, on=True)

    @admin.action(description="Switch off: no new flows", permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[Repo]) -> None:
        """Disable, with a row of history for each."""
        self._switch(request, rows, on=False)

    def _switch(self, request: HttpRequest, rows: QuerySet[Repo], *, on: bool) -> None:
        switched = 0
        # One by one: QuerySet.update would skip the row of history that every change leaves.
        for repo in rows:
            try:
                repo_settings.set_value(repo, "enabled", on, actor=request.user.get_username())
            except RepoHalted as error:
                self.message_user(request, f"{error.message} {error.cure}", messages.WARNING)
            else:
                switched += 1
        self.message_user(request, f"{switched} switched {'on' if on else 'off'}.")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """The name is what everything else refers to: given once."""
        return [*self.readonly_fields, *(["name"] if obj else [])]


class ReachForm(ModelForm):  # type: ignore[type-arg]  # generic in its types only
    """A row for one repo or for all of them: an empty field never means "all", somebody has to say so."""

    every_repo = BooleanField(
        required=False,
        label="For every repo",
        help_text="Instead of one repo. It reaches all of them, those that come later included.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuse both and neither."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        repo, every = found.get("repo"), found.get("every_repo")
        if "repo" in found and (repo is None) != bool(every):
            self.add_error("repo", "Choose one repo, or say that it is for every repo.")
        return found


class SettingForm(ReachForm):
    """A new value, checked as everywhere."""

    class Meta:
        model = RepoSetting
        fields = ["repo", "key", "value"]

    def clean(self) -> dict[str, Any]:
        """Refuse what the API refuses: unknown keys, wrong types, thresholds under the organisation's."""
        found = super().clean()
        # A field that failed its own check is missing here and already has its message.
        if {"key", "value"} <= found.keys():
            try:
                # The same check as at saving, made here because only a form can show the refusal beside the
                # field.
                repo_settings.check_value(found.get("repo"), found["key"], found["value"])
            except repo_settings.SettingRefused as error:
                self.add_error("value", f"{error} {error.cure}")
        return found


@admin.register(RepoSetting)
class RepoSettingAdmin(AppendOnlyAdmin):
    """Settings, append-only: the newest row of a key counts, the others are its history."""

    form = SettingForm
    fields = ["repo", "every_repo", "key", "value"]
    list_display = ["key", "value", "repo", "actor", "created_at"]
    list_filter = ["key", "repo"]
    search_fields = ["key", "repo__name", "actor"]

    def save_model(
        self,
        request: HttpRequest,
        obj: RepoSetting,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        """Through the one way in which settings are set; the row that it writes is the one shown."""
        # Not super(): Django would write a row of its own, without the author.
        repo_settings.set_value(obj.repo, obj.key, obj.value, actor=request.user.get_username())
        # Django logs and redirects to the object that it has, so it must become the row that was written.
        newest = RepoSetting.objects.filter(repo=obj.repo, key=obj.key).latest("id")
        obj.pk, obj.value, obj.actor = newest.pk, newest.value, newest.actor


class TokenForm(ReachForm):
    """A new token: for whom, what it may do, and how long."""

    scopes = MultipleChoiceField(
        choices=[(scope.value, f"{scope}: {DESCRIPTIONS[scope]}") for scope in TokenScope],
        widget=CheckboxSelectMultiple,
        initial=[scope.value for scope in CI_SCOPES],
    )

    class Meta:
        model = Token
        fields = ["name", "repo", "scopes", "expires_at"]

    def clean(self) -> dict[str, Any]:
        """Refuse scopes of operators for the token of a repo."""
        found = super().clean()
        if found.get("repo") is not None and OPERATOR_SCOPES & set(found.get("scopes", ())):
            self.add_error("scopes", "The token of a repo cannot have the scopes of operators (ops:, org:).")
        return found


@admin.register(Token)
class TokenAdmin(UndeletableAdmin):
    """Tokens, which stay after they were revoked, so that the history has their names.

    The secret is shown once, after saving; what is kept cannot be turned back into it.
    """

    list_display = [
        "name",
        "repo",
        "may_do",
        "status",
        "created_at",
        "expires_at",
        "last_used_at",
        "last_used_from",
        "revoked_at",
    ]
    list_filter = ["repo", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["repo"]
    search_fields = ["name", "repo__name"]
    form = TokenForm
    fields = ["name", "repo", "every_repo", "scopes", "expires_at"]
    actions = ["rotate", "revoke"]

    @admin.display(description="scopes")
    def may_do(self, token: Token) -> str:
        """What the token may do within its reach."""
        return ", ".join(token.granted_scopes)

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:  # noqa: ARG002
        """Make the token, and say its secret this once."""
        # The row is made here, not by Django: only this call knows the secret.
        made, secret = tokens.create_token(
            obj.name,
            obj.repo,
            scopes=obj.scopes,
            expires_at=obj.expires_at,
            created_by=request.user.get_username(),
        )
        obj.pk = made.pk
        if obj.repo is None:
            self.message_user(request, "This token reaches every repo.", messages.WARNING)
        self._show_secret(request, secret)

    def _show_secret(self, request: HttpRequest, secret: str) -> None:
        self.message_user(request, f"Copy the token now, it is not shown again: {secret}", messages.WARNING)

    @admin.action(description="Rotate: the old secret works for a day more", permissions=["change"])
    def rotate(self, request: HttpRequest, rows: QuerySet[Token]) -> None:
        """Give each chosen token a successor, and say its secret this once."""
        for token in rows:
            try:
                _, secret = tokens.rotate_token(token, created_by=request.user.get_username())
            except OrchestratorError as error:
                self.message_user(request, f"{error} {error.cure}", messages.ERROR)
            else:
                self._show_secret(request, secret)

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Token]) -> None:
        """End the chosen tokens."""
        actor = request.user.get_username()
        ended = sum(tokens.revoke_token(token, revoked_by=actor) for token in rows)
        self.message_user(request, f"{ended} revoked.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the list and its actions: a token is made or revoked, never altered."""
        return obj is None and bool(super().has_change_permission(request, obj))


class CiTrustForm(ModelForm):  # type: ignore[type-arg]  # generic in its types only
    """A new trust, with what there is to choose from."""

    issuer = ChoiceField(choices=lambda: [(address, address) for address in settings.CI_OIDC_ISSUERS])
    scopes = MultipleChoiceField(
        choices=[(scope.value, f"{scope}: {DESCRIPTIONS[scope]}") for scope in TRUSTED_SCOPES],
        widget=CheckboxSelectMultiple,
        initial=[scope.value for scope in CI_SCOPES],
    )

    class Meta:
        model = CiTrust
        fields = ["repo", "issuer", "repository", "refs", "environment", "scopes"]


@admin.register(CiTrust)
class CiTrustAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Which CI jobs may act for a repo. A trust is made or deleted, never altered; its tokens end with it."""

    form = CiTrustForm
    list_display = [
        "repo",
        "issuer",
        "repository",
        "repository_id",
        "refs",
        "environment",
        "scopes",
        "created_by",
    ]
    list_filter = ["issuer", "repo"]
    list_select_related = ["repo"]
    search_fields = ["repository", "repo__name"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def save_model(self, request: HttpRequest, obj: CiTrust, form: Any, change: bool) -> None:
        """Write down who made it."""
        obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)
