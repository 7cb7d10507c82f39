from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class WebConfig(AppConfig):
    name = "orchestrator.web"
    label = "web"
    verbose_name = "Pages"

    def ready(self) -> None:
        """Write the groups after a migration."""
        from orchestrator.web.roles import write_groups  # noqa: PLC0415 - models, which are loaded by now

        # The signal comes once for each app. By that of the last one every permission is written.
        last = list(apps.get_app_configs())[-1]
        post_migrate.connect(write_groups, sender=last, dispatch_uid="orchestrator.web.roles")
