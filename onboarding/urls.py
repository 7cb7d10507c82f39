"""Addresses of onboarding."""

from django.urls import path

from onboarding import views

urlpatterns = [
    path("", views.form, name="onboarding"),
    path("thanks/", views.thanks, name="onboarding-thanks"),
]
