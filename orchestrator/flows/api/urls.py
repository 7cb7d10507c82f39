"""Addresses of flows under /api/v1/flows/."""

from django.urls import path

from orchestrator.flows.api import edit_views, replay_views, views

urlpatterns = [
    path("", views.FlowListView.as_view()),
    path("<str:flow_id>/", views.FlowDetailView.as_view()),
    path("<str:flow_id>/events/", views.FlowEventsView.as_view()),
    path("<str:flow_id>/gates/", views.FlowGatesView.as_view()),
    path("<str:flow_id>/gates/replay/", replay_views.GateReplayView.as_view()),
    path("<str:flow_id>/calls/", views.FlowCallsView.as_view()),
    path("<str:flow_id>/evidence/", views.FlowEvidenceView.as_view()),
    path("<str:flow_id>/block/", views.FlowBlockView.as_view()),
    path("<str:flow_id>/cancel/", views.FlowCancelView.as_view()),
    path("<str:flow_id>/retry/", views.FlowRetryView.as_view()),
    path("<str:flow_id>/edit/", edit_views.FlowEditView.as_view()),
    path("<str:flow_id>/replay/", replay_views.FlowReplayView.as_view()),
]
