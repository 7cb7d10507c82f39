"""The admin of guesses at passwords, as django-axes has it."""

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt
from django.contrib import admin

# Importing its admin has registered it.
admin.site.unregister(AccessAttempt)


@admin.register(AccessAttempt)
class GuessAdmin(AccessAttemptAdmin):  # type: ignore[misc]  # axes has no types
    """Without the action that clears old attempts: it fails outside of a log-in, which clears them too."""

    actions: tuple[str, ...] = ()
