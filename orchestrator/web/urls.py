"""Pages for people, and the two questions of Kubernetes."""

from django.urls import path, re_path

from orchestrator.web.pages import flows, health, service

urlpatterns = [
    path("", service.landing, name="landing"),
    path("status/", service.status, name="status"),
    path("flows/", flows.listing, name="flows"),
    path("flows/<str:flow_id>/", flows.one, name="flow"),
    path("flows/<str:flow_id>/events/", flows.events, name="flow-events"),
    path("flows/<str:flow_id>/evidence.zip", flows.evidence, name="flow-evidence"),
    path("flows/<str:flow_id>/block.tar.gz", flows.block, name="flow-block"),
    path("flows/<str:flow_id>/artifacts/<int:artifact_id>/", flows.artifact, name="flow-artifact"),
    re_path(r"^flows/(?P<flow_id>[^/]+)/(?P<action>cancel|retry|pause|resume)/$", flows.act, name="flow-act"),
    path("health", health.health),
    path("ready", health.ready),
]
