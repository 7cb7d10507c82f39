"""What the whole suite needs before Django is set up. `make test` brings the servers."""

import os

os.environ.setdefault("SECRET_KEY", "for-tests-only")
