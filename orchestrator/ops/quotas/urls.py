"""Addresses of operations under /api/v1/."""

from django.urls import path

from orchestrator.ops.quotas.views import Pause, Quota, Resume

urlpatterns = [
    path("quota/", Quota.as_view()),
    path("quota/<str:provider>/pause/", Pause.as_view()),
    path("quota/<str:provider>/resume/", Resume.as_view()),
]
