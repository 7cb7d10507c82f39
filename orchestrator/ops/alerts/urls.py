"""Addresses of alerts under /api/v1/."""

from django.urls import path

from orchestrator.ops.alerts import views

urlpatterns = [path("alerts/<str:name>/test/", views.AlertTestView.as_view())]
