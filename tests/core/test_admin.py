"""The bases of the admin: what each lets nobody do, the superuser included."""

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from orchestrator.core import admin


@pytest.fixture
def request_of_superuser(db):
    request = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("sre", "sre@example.org", "pw")
    return request


class Allowed:
    """What Django asks last: a superuser may do everything."""

    def has_add_permission(self, request, obj=None):
        return True

    has_change_permission = has_delete_permission = has_add_permission


@pytest.mark.parametrize(
    ("mixin", "allowed"),
    [
        (admin.UndeletableMixin, {"add", "change"}),
        (admin.AppendOnlyMixin, {"add"}),
        (admin.ReadOnlyMixin, set()),
    ],
)
def test_what_is_left_to_a_superuser(request_of_superuser, mixin, allowed):
    model_admin = type("Some", (mixin, Allowed), {})()
    left = {
        verb
        for verb in ("add", "change", "delete")
        if getattr(model_admin, f"has_{verb}_permission")(request_of_superuser)
    }
    assert left == allowed
