"""Addresses of flows under /api/v1/flows/."""

from django.urls import path

from orchestrator.flows import api, api_replay

urlpatterns = [
    path("", api.Flows.as_view()),
    path("<str:flow_id>/", api.OneFlow.as_view()),
    path("<str:flow_id>/events/", api.Events.as_view()),
    path("<str:flow_id>/gates/", api.Gates.as_view()),
    path("<str:flow_id>/gates/replay/", api.GatesReplay.as_view()),
    path("<str:flow_id>/calls/", api.Calls.as_view()),
    path("<str:flow_id>/evidence/", api.Evidence.as_view()),
    path("<str:flow_id>/block/", api.BlockFile.as_view()),
    path("<str:flow_id>/cancel/", api.Cancel.as_view()),
    path("<str:flow_id>/retry/", api.Retry.as_view()),
    path("<str:flow_id>/replay/", api_replay.Replays.as_view()),
]
