"""Addresses of repos and settings under /api/v1/."""

from django.urls import path

from orchestrator.repos.api import ci_job_views, token_views, views

urlpatterns = [
    path("repos/", views.RepoListView.as_view()),
    path("repos/<str:name>/", views.RepoDetailView.as_view()),
    path("repos/<str:name>/config/", views.RepoConfigView.as_view()),
    path("repos/<str:name>/ci-trusts/", ci_job_views.CiTrustListView.as_view()),
    path("repos/<str:name>/ci-trusts/<int:number>/", ci_job_views.CiTrustDetailView.as_view()),
    path("config/", views.OrganisationConfigView.as_view()),
    path("tokens/", token_views.TokenListView.as_view()),
    path("tokens/exchange/", ci_job_views.TokenExchangeView.as_view()),
    path("tokens/<int:number>/", token_views.TokenDetailView.as_view()),
    path("tokens/<int:number>/rotate/", token_views.TokenRotationView.as_view()),
    path("whoami/", views.TokenOwnerView.as_view()),
]
