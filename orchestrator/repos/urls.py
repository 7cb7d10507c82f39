"""Addresses of repos and settings under /api/v1/."""

from django.urls import path

from orchestrator.repos import api

urlpatterns = [
    path("repos/", api.Repos.as_view()),
    path("repos/<str:name>/", api.OneRepo.as_view()),
    path("repos/<str:name>/config/", api.Config.as_view()),
    path("config/", api.OrganisationConfig.as_view()),
    path("whoami/", api.WhoAmI.as_view()),
]
