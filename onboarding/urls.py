"""Addresses of onboarding."""

from django.urls import path

from onboarding import pages

urlpatterns = [
    path("", pages.form, name="onboarding"),
    path("thanks/", pages.thanks, name="onboarding-thanks"),
]
