"""Addresses of onboarding."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from onboarding.pages import form, lead, request


class ReferenceConverter(StringConverter):
    """The reference of a request, however somebody has typed it."""

    regex = "[Oo][Nn][Bb]-[0-9A-Za-z]{4,8}"


register_converter(ReferenceConverter, "onboarding_reference")
urlpatterns = [
    path("", form.show_form, name="onboarding"),
    # Slack's app names this address.
    path("slack/", lead.take_slack_press, name="onboarding-slack"),
    path("approve/<str:signed>/", lead.answer_by_link, name="onboarding-approve"),
    path("<onboarding_reference:reference>/", request.show_request, name="onboarding-request"),
    path("<onboarding_reference:reference>/live/", request.show_live_part, name="onboarding-live"),
    path("<onboarding_reference:reference>/token/", request.show_token, name="onboarding-token"),
    path(
        "<onboarding_reference:reference>/retry/",
        request.act_on_request,
        {"action": "retry"},
        name="onboarding-retry",
    ),
    path(
        "<onboarding_reference:reference>/cancel/",
        request.act_on_request,
        {"action": "cancel"},
        name="onboarding-cancel",
    ),
]
