from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "orchestrator.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        """Register the check of what is between this product and PostgreSQL."""
        # Django registers checks by importing them, and this one reads the settings.
        from orchestrator.core import pooler  # noqa: F401, PLC0415 - see above
