"""Addresses of onboarding."""

from django.urls import path

from onboarding import pages

urlpatterns = [
    path("", pages.show_form, name="onboarding"),
    path("thanks/", pages.show_thanks, name="onboarding-thanks"),
]
