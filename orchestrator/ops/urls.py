"""Addresses of operations under /api/v1/."""

from django.urls import path

from orchestrator.ops.quota import Quota

urlpatterns = [path("quota/", Quota.as_view())]
