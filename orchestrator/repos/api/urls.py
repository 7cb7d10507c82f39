"""Addresses of repos and settings under /api/v1/."""

from django.urls import path

from orchestrator.repos.api import token_views, views

urlpatterns = [
    path("repos/", views.RepoListView.as_view()),
    path("repos/<str:name>/", views.RepoDetailView.as_view()),
    path("repos/<str:name>/config/", views.RepoConfigView.as_view()),
    path("config/", views.OrganisationConfigView.as_view()),
    path("tokens/", token_views.TokenListView.as_view()),
    path("tokens/<int:number>/", token_views.TokenDetailView.as_view()),
    path("tokens/<int:number>/rotate/", token_views.TokenRotationView.as_view()),
    path("whoami/", views.TokenOwnerView.as_view()),
]
