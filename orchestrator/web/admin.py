"""The admin of guesses at passwords, as django-axes has it; that of django-allauth is left out."""

from allauth.account import admin as _account_admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.socialaccount import admin as _socialaccount_admin  # noqa: F401
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt
from django.contrib import admin

# Importing their admins has registered them.
admin.site.unregister(AccessAttempt)
# The provider is in the settings, and what it says of a person is set again at each sign-in.
for _model in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(_model)


@admin.register(AccessAttempt)
class GuessAdmin(AccessAttemptAdmin):  # type: ignore[misc]  # axes has no types
    """Without the action that clears old attempts: it fails outside of a log-in, which clears them too."""

    actions: tuple[str, ...] = ()
