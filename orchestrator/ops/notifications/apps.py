from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "orchestrator.ops.notifications"
    label = "notifications"
    verbose_name = "Notifications"
