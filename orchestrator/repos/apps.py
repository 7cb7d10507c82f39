from django.apps import AppConfig


class ReposConfig(AppConfig):
    name = "orchestrator.repos"
    label = "repos"
    verbose_name = "Repositories"
