"""The admin of rows that code writes and people read: one read-only base, for lists and for inlines.

An SRE never edits such a row by hand. What an SRE may do to it is an action that calls the same function as
the API does; so a subclass adds ``actions``, and the permission of an action is a ``has_<name>_permission``
of its own.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from orchestrator.core.models import OutgoingEvent


class UndeletableMixin:
    """Rows that stay for good, because other rows or the history refer to them."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


class AppendOnlyMixin(UndeletableMixin):
    """Rows that are added and then stay as they are: a change is a new row."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


class ReadOnlyMixin(AppendOnlyMixin):
    """Rows that nobody adds, edits or deletes by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


class UndeletableAdmin(UndeletableMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A model whose rows may be added and edited, but not deleted."""


class AppendOnlyAdmin(AppendOnlyMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A model whose rows may be added, but neither edited nor deleted."""


class ReadOnlyAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A model whose rows may only be looked at."""


class ReadOnlyTabularInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]  # unfold has no types
    """Related rows as a table on a tab of its own."""

    extra = 0
    tab = True


class ReadOnlyStackedInline(ReadOnlyMixin, StackedInline):  # type: ignore[misc]  # unfold has no types
    """Related rows one below the other, each with its fields, on a tab of its own."""

    extra = 0
    tab = True


@admin.register(OutgoingEvent)
class OutgoingEventAdmin(ReadOnlyAdmin):
    """Events that a subscriber has not got yet, and those that were given up."""

    list_display = ["subscriber", "payload", "created_at", "attempts", "due_at", "last_error"]
    list_filter = ["subscriber"]
    actions = ["deliver_again"]

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        """Whether the user may use the action: those who may change events, although nobody edits them."""
        return bool(request.user.has_perm("core.change_outgoingevent"))

    @admin.action(description="Deliver again now", permissions=["deliver"])
    def deliver_again(self, request: HttpRequest, rows: QuerySet[OutgoingEvent]) -> None:
        """Start the attempts again; the dispatcher's next tick delivers."""
        count = rows.update(attempts=0, due_at=Now())
        self.message_user(request, f"{count} due now.")
