"""The ASGI application that uvicorn serves."""

import os
import resource

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.conf import settings  # noqa: E402 - needs the apps, as those below
from django.core.wsgi import get_wsgi_application  # noqa: E402 - see above
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402 - see above

from orchestrator.core import pooler, tracing  # noqa: E402 - see above
from orchestrator.flows.engine import broker  # noqa: E402 - see above
from orchestrator.serving.threads import ThreadedApplication  # noqa: E402 - see above

# Each connection is an open file, and the usual soft limit of 1,024 is for programs that cannot take more.
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
pooler.require_own_sessions()
broker.send_in_background()
tracing.load_tracer()
# Address and scheme of the client count where one of these proxies says them; from anybody else, never.
application = ProxyHeadersMiddleware(
    ThreadedApplication(get_wsgi_application()),  # type: ignore[arg-type]  # ASGI, with types of its own
    trusted_hosts=list(settings.TRUSTED_PROXIES),
)
