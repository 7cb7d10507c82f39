"""The admin of rows that code writes and people read: read-only bases, for lists and for inlines, lists of
millions of rows, and actions that ask for a reason.

An SRE never edits such a row by hand. What an SRE may do to it is an action that calls the same function as
the API does; so a subclass adds ``actions``, and the permission of an action is a ``has_<name>_permission``
of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget

from orchestrator.core.audit import MOST_REASON
from orchestrator.core.models import AuditEntry, OutgoingEvent


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


class KeysetPaginator(Paginator):  # type: ignore[type-arg]  # Django has no generics at run time
    """Tells the theme how the pages of a ``KeysetChangeList`` are turned."""

    template_name = "admin/older_rows.html"


class KeysetChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A page of rows, newest first, and whether there are older ones.

    The next page begins after the last key of this one. Nothing is counted and no row is skipped over, so a
    page of a million rows costs what a page of a hundred does.
    """

    BEFORE: Final = "before"

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """The rows that fit the filters, from where the page begins."""
        # Taken out, so that the links of the filters begin at the newest row again.
        asked = self.filter_params.pop(self.BEFORE, [""])
        self.params.pop(self.BEFORE, None)
        self.before = asked[-1]
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        return self._begin_after(rows, self.before.split(",")) if self.before else rows

    def _begin_after(self, rows: QuerySet[Any], last: list[str]) -> QuerySet[Any]:
        first, *rest = self.model_admin.keyset
        if not rest:
            return rows.filter(**{f"{first}__lt": last[0]})
        if len(last) != 2:
            raise IncorrectLookupParameters
        # The first condition is the one that an index can begin at; the key parts rows of the same moment.
        earlier = Q(**{f"{first}__lt": last[0]}) | Q(**{f"{rest[0]}__lt": last[1]})
        return rows.filter(earlier, **{f"{first}__lte": last[0]})

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:  # noqa: ARG002
        """By key and nothing else: any other order would have to sort all rows."""
        return [f"-{name}" for name in self.model_admin.keyset]

    def get_results(self, request: HttpRequest) -> None:
        """Read one row more than the page shows: it says whether there are older ones."""
        size = self.list_per_page
        rows = list(self.queryset[: size + 1])
        self.result_list = rows[:size]
        self.older, self.newest = "", self.get_query_string()
        if len(rows) > size:
            self.older = self.get_query_string({self.BEFORE: self._tell_place(rows[size - 1])})
        self.result_count = len(self.result_list)
        # Equal, so that the theme does not offer to show all of them.
        self.full_result_count = self.result_count
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = self.model_admin.get_paginator(request, self.result_list, size)

    def _tell_place(self, row: Any) -> str:
        values = [getattr(row, name) for name in self.model_admin.keyset]
        texts = [one.isoformat() if isinstance(one, datetime) else str(one) for one in values]
        return ",".join(texts)


class KeysetMixin:
    """A list without an end that one could count to: flows, events, calls."""

    paginator = KeysetPaginator
    show_full_result_count = False
    # Facets would count the rows of each filter.
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    # What the rows are sorted by: the key, or a time and the key, with an index in this order.
    keyset: tuple[str, ...] = ("pk",)
    # "Select all" would mean rows that nobody has seen.
    list_disable_select_all = True
    sortable_by: tuple[str, ...] = ()

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """The rows that fit, each once."""
        # Text in PostgreSQL has no NUL: a search for one would be an error and not an empty list.
        words = search_term.replace("\0", "").strip()
        return (self.find_rows(queryset, words) if words else queryset), False

    def find_rows(self, rows: QuerySet[Any], words: str) -> QuerySet[Any]:
        """Those that fit ``words``, by an index: the one field of ``search_fields``, to the letter."""
        (field,) = self.search_fields  # type: ignore[attr-defined]
        return rows.filter(**{field: words})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """The class of the list."""
        return KeysetChangeList


class KeysetAdmin(KeysetMixin, ReadOnlyAdmin):
    """Rows that code writes, without end."""


class ReasonForm(forms.Form):
    """Why somebody acts."""

    reason = forms.CharField(
        max_length=MOST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        help_text="Kept in the audit trail with your name and the time.",
    )


@dataclass(frozen=True, slots=True)
class ReasonedAction:
    """What is done to each chosen row, in words: ``Cancel``, ``cancelled``, and what that means.

    ``act`` gets the row and what the form says. It returns whether something changed, and raises one of
    ``refusals``, whose text (and ``cure``) says why not.
    """

    name: str
    title: str
    done: str
    meaning: str
    act: Callable[[Any, dict[str, Any]], object]
    unchanged: str
    refusals: tuple[type[Exception], ...] = ()
    form: type[forms.Form] = ReasonForm


class ReasonedActionsMixin:
    """Actions that show what they are about to do, ask why, and say for each row what happened."""

    def run_with_reason(
        self, request: HttpRequest, rows: QuerySet[Any], action: ReasonedAction
    ) -> HttpResponse | None:
        """The page that asks; after its answer None, which shows the list with the results."""
        if request.POST.get("select_across") == "1":
            # A page hides this choice; a request can still make it.
            words = f"Nothing was {action.done}: choose rows that you see, not all that there are."
            messages.warning(request, words)
            return None
        sent = "confirmed" in request.POST
        form = action.form(request.POST if sent else None)
        chosen = list(rows)
        if not (sent and form.is_valid()):
            return self._ask(request, chosen, action, form)
        self._act_on_each(request, chosen, action, form.cleaned_data)
        return None

    def _ask(
        self, request: HttpRequest, chosen: list[Any], action: ReasonedAction, form: forms.Form
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "title": f"{action.title}?",
            "action": action,
            "chosen": chosen,
            "form": form,
        }
        return TemplateResponse(request, "admin/reasoned_action.html", context)

    def _act_on_each(
        self, request: HttpRequest, chosen: list[Any], action: ReasonedAction, given: dict[str, Any]
    ) -> None:
        done: list[Model] = []
        left: list[tuple[Model, str]] = []
        # One by one, each in a transaction of its own: what one row refuses does not undo the others.
        for row in chosen:
            try:
                changed = action.act(row, given)
            except action.refusals as error:
                left.append((row, f"{error} {getattr(error, 'cure', '')}".strip()))
                continue
            if changed:
                done.append(row)
            else:
                left.append((row, action.unchanged))
        if done:
            words = format_html("{} {}: {}", len(done), action.done, ", ".join(map(str, done)))
            messages.success(request, words)
        if left:
            lines = format_html_join(mark_safe("<br>"), "{}: {}", left)
            messages.warning(request, format_html("{} not {}:<br>{}", len(left), action.done, lines))


@admin.register(AuditEntry)
class AuditEntryAdmin(KeysetAdmin):
    """Who changed what, and why. A trigger writes it, so changes by SQL are here as well."""

    list_display = ["at", "actor", "operation", "subject", "subject_key", "reason", "shown_changes"]
    list_filter = ["operation"]
    search_fields = ["actor"]
    search_help_text = "A person, or the key of a row, such as a flow's id"

    def find_rows(self, rows: QuerySet[AuditEntry], words: str) -> QuerySet[AuditEntry]:
        """What a person did, or what happened to a row: each is found by an index of its own."""
        if AuditEntry.objects.filter(actor=words).exists():
            return rows.filter(actor=words)
        return rows.filter(subject_key=words)

    @admin.display(description="changes")
    def shown_changes(self, entry: AuditEntry) -> str:
        """Each column with what it was and what it is."""
        lines = []
        for name, (before, after) in entry.changes.items():
            words = f"{_describe_value(before)} → {_describe_value(after)}"
            # What is hidden is changed, but a new row's empty columns say nothing.
            if words != "nothing → nothing":
                lines.append((name, words))
        return format_html_join(mark_safe("<br>"), "{}: {}", lines)


def _describe_value(value: Any) -> str:
    return "nothing" if value in (None, "") else str(value)[:120]


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
