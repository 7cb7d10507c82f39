"""Addresses of the pre-flight under /api/v1/."""

from django.urls import path

from orchestrator.ops.preflight.views import PersonAnswerView, PreflightView

urlpatterns = [
    path("preflight/", PreflightView.as_view()),
    path("preflight/answers/", PersonAnswerView.as_view()),
]
