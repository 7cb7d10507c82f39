"""Addresses of the evidence that belongs to no flow, under /api/v1/evidence/."""

from django.urls import path

from orchestrator.flows.api import evidence_views

urlpatterns = [path("keys/", evidence_views.EvidenceKeysView.as_view())]
