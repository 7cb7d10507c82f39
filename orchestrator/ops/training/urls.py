"""Addresses of training under /api/v1/."""

from django.urls import path

from orchestrator.ops.training import views

urlpatterns = [
    path("training/", views.TrainingStandingView.as_view()),
    path("training/people/", views.TraineeListView.as_view()),
    path("training/imports/<str:kind>/", views.TrainingImportView.as_view()),
]
