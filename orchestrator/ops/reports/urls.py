"""Addresses of reports under /api/v1/."""

from django.urls import path

from orchestrator.ops.reports import views

urlpatterns = [
    path("reports/daily/", views.DailyReportView.as_view()),
    path("reports/weekly/", views.WeeklyReportView.as_view()),
    path("reports/soak/", views.SoakReportView.as_view()),
    path("reports/rollout/", views.RolloutReportView.as_view()),
]
