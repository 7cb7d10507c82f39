from django.apps import AppConfig


class DoctorConfig(AppConfig):
    name = "orchestrator.ops.doctor"
    label = "doctor"
    verbose_name = "Doctor"
