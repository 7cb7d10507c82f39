"""The ASGI application that uvicorn serves."""

import os
import resource

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - needs the apps, as those below

from orchestrator.flows.engine import broker  # noqa: E402 - see above
from orchestrator.serving.threads import ThreadedApplication  # noqa: E402 - see above

# Each connection is an open file, and the usual soft limit of 1,024 is for programs that cannot take more.
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
broker.send_in_background()
application = ThreadedApplication(get_wsgi_application())
