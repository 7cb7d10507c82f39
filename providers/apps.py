from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "providers"
    verbose_name = "Providers"

    def ready(self) -> None:
        """Register the checks of this app's settings."""
        from providers import checks  # noqa: F401, PLC0415 - Django registers checks by importing them, once apps are ready
