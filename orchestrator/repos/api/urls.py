"""Addresses of repos and settings under /api/v1/."""

from django.urls import path

from orchestrator.repos.api import views

urlpatterns = [
    path("repos/", views.RepoListView.as_view()),
    path("repos/<str:name>/", views.RepoDetailView.as_view()),
    path("repos/<str:name>/config/", views.RepoConfigView.as_view()),
    path("config/", views.OrganisationConfigView.as_view()),
    path("whoami/", views.TokenOwnerView.as_view()),
]
