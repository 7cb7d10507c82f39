"""Pages for people, and the two questions of Kubernetes."""

from django.urls import path, re_path

from orchestrator.web import health, pages

urlpatterns = [
    path("", pages.landing, name="landing"),
    path("status/", pages.status, name="status"),
    path("flows/<str:flow_id>/", pages.flow, name="flow"),
    re_path(r"^flows/(?P<flow_id>[^/]+)/(?P<action>cancel|retry|pause|resume)/$", pages.act, name="flow-act"),
    path("health", health.health),
    path("ready", health.ready),
]
