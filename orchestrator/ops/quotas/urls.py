"""Addresses of operations under /api/v1/."""

from django.urls import path

from orchestrator.ops.quotas.views import ProviderPauseView, ProviderResumeView, QuotaView

urlpatterns = [
    path("quota/", QuotaView.as_view()),
    path("quota/<str:provider>/pause/", ProviderPauseView.as_view()),
    path("quota/<str:provider>/resume/", ProviderResumeView.as_view()),
]
