"""Addresses of repos and settings under /api/v1/."""

from django.urls import path

from orchestrator.repos.api import views

urlpatterns = [
    path("repos/", views.Repos.as_view()),
    path("repos/<str:name>/", views.OneRepo.as_view()),
    path("repos/<str:name>/config/", views.Config.as_view()),
    path("config/", views.OrganisationConfig.as_view()),
    path("whoami/", views.WhoAmI.as_view()),
]
