"""Addresses of notifications under /api/v1/."""

from django.urls import path

from orchestrator.ops.notifications import views, webhook_views

urlpatterns = [
    path("notify/slack/", views.SlackNotificationView.as_view()),
    path("notify/email/", views.EmailNotificationView.as_view()),
    path("webhooks/", webhook_views.WebhookListView.as_view()),
    path("webhooks/<int:number>/", webhook_views.WebhookDetailView.as_view()),
    path("webhooks/<int:number>/test/", webhook_views.WebhookTestView.as_view()),
    path("webhooks/<int:number>/rotate-secret/", webhook_views.WebhookSecretView.as_view()),
    path("webhooks/<int:number>/replay/", webhook_views.WebhookReplayView.as_view()),
    path("webhooks/<int:number>/deliveries/", webhook_views.DeliveryListView.as_view()),
    path(
        "webhooks/<int:number>/deliveries/<int:delivery_number>/", webhook_views.DeliveryDetailView.as_view()
    ),
    path(
        "webhooks/<int:number>/deliveries/<int:delivery_number>/replay/",
        webhook_views.DeliveryReplayView.as_view(),
    ),
    path("notifications/", views.NotificationListView.as_view()),
    path("notifications/<int:number>/", views.NotificationDetailView.as_view()),
]
