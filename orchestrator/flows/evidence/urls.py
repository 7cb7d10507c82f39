"""Addresses of the evidence that belongs to no flow, under /api/v1/evidence/."""

from django.urls import path

from orchestrator.flows.evidence import api

urlpatterns = [path("keys/", api.Keys.as_view())]
