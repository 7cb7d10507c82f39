"""Addresses of flows under /api/v1/flows/."""

from django.urls import path

from orchestrator.flows.api import replay_views, views

urlpatterns = [
    path("", views.Flows.as_view()),
    path("<str:flow_id>/", views.OneFlow.as_view()),
    path("<str:flow_id>/events/", views.Events.as_view()),
    path("<str:flow_id>/gates/", views.Gates.as_view()),
    path("<str:flow_id>/gates/replay/", views.GatesReplay.as_view()),
    path("<str:flow_id>/calls/", views.Calls.as_view()),
    path("<str:flow_id>/evidence/", views.Evidence.as_view()),
    path("<str:flow_id>/block/", views.BlockFile.as_view()),
    path("<str:flow_id>/cancel/", views.Cancel.as_view()),
    path("<str:flow_id>/retry/", views.Retry.as_view()),
    path("<str:flow_id>/replay/", replay_views.Replays.as_view()),
]
