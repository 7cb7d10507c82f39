from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "providers"
    verbose_name = "Providers"

    def ready(self) -> None:
        """Register the checks of this app's settings."""
        # Importing the module registers its checks, which may import models only when the apps are ready.
        from providers import checks  # noqa: F401, PLC0415
