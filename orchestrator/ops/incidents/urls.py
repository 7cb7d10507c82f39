"""Addresses of incidents under /api/v1/."""

from django.urls import path

from orchestrator.ops.incidents import review_views, views

urlpatterns = [
    path("incidents/", views.IncidentListView.as_view()),
    # Before the numbers, although the converter of those would not take a word.
    path("incidents/alerts/", views.AlertReportView.as_view()),
    path("incidents/<int:number>/", views.IncidentDetailView.as_view()),
    path("incidents/<int:number>/acknowledge/", views.AcknowledgementView.as_view()),
    path("incidents/<int:number>/handover/", views.HandoverView.as_view()),
    path("incidents/<int:number>/severity/", views.SeverityView.as_view()),
    path("incidents/<int:number>/resolve/", views.ResolutionView.as_view()),
    path("incidents/<int:number>/timeline/", views.TimelineView.as_view()),
    path("incidents/<int:number>/diagnosis/", views.DiagnosisView.as_view()),
    path("incidents/<int:number>/review/", review_views.ReviewView.as_view()),
    path("incidents/<int:number>/actions/", review_views.ActionListView.as_view()),
    path("incidents/<int:number>/actions/<int:action_number>/done/", review_views.ActionDoneView.as_view()),
]
