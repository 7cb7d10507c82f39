from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "orchestrator.ops.training"
    label = "training"
    verbose_name = "Training and feedback"
