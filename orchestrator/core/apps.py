from django.apps import AppConfig
from django.db.backends.signals import connection_created

from orchestrator.core import statement_traces, tracing


class CoreConfig(AppConfig):
    name = "orchestrator.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        """Register the check of what is between this product and PostgreSQL; trace statements where traces
        are sent.
        """
        # Django registers checks by importing them, and this one reads the settings.
        from orchestrator.core import pooler  # noqa: F401, PLC0415 - see above

        if tracing.is_on():
            connection_created.connect(
                statement_traces.trace_statements, dispatch_uid="orchestrator.core.statement_traces"
            )
