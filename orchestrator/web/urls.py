"""Pages for people, and the two questions of Kubernetes."""

from django.urls import path

from orchestrator.web import health

urlpatterns = [
    path("health", health.health),
    path("ready", health.ready),
]
