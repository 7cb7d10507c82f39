"""What the whole suite needs before Django is set up: a key, and a folder that is never the one of `make up`."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("SECRET_KEY", "for-tests-only")
if "PYTEST_STATE_DIR" not in os.environ:  # the workers of a parallel run share the folder of the process that started them
    os.environ["PYTEST_STATE_DIR"] = tempfile.mkdtemp(prefix="blocks-tests-")
    atexit.register(shutil.rmtree, os.environ["PYTEST_STATE_DIR"], ignore_errors=True)
os.environ["STATE_DIR"] = os.environ["PYTEST_STATE_DIR"]
