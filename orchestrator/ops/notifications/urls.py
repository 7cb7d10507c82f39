"""Addresses of notifications under /api/v1/."""

from django.urls import path

from orchestrator.ops.notifications import views

urlpatterns = [
    path("notify/slack/", views.SlackNotificationView.as_view()),
    path("notify/email/", views.EmailNotificationView.as_view()),
    path("webhooks/", views.WebhookListView.as_view()),
    path("webhooks/<int:number>/", views.WebhookDetailView.as_view()),
    path("notifications/", views.NotificationListView.as_view()),
    path("notifications/<int:number>/", views.NotificationDetailView.as_view()),
]
