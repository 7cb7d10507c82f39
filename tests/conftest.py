"""Where the suite finds its servers. (The embedded ones land with `orchestrator.embedded`.)"""

import os

os.environ.setdefault("SECRET_KEY", "for-tests-only")
