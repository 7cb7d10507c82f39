"""``python -m docs.generators``: write the reference pages that are generated from the code.

Needs ``DATABASE_URL`` and ``REDIS_URL``, because the metrics are read from the exporter; a database of its
own is made beside the one that the first names, as a test run makes one.
"""

import os
import sys

import django
from django.test.utils import setup_databases, teardown_databases


def main() -> None:
    """Write every page that has changed, and say which."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    os.environ.setdefault("SECRET_KEY", "for-the-documentation-only")
    django.setup()
    # Here, because the pages import models.
    from docs.generators import pages  # noqa: PLC0415

    made = setup_databases(verbosity=0, interactive=False)
    try:
        for path in pages.write_pages():
            sys.stdout.write(f"{path}\n")
    finally:
        teardown_databases(made, verbosity=0)


if __name__ == "__main__":
    main()
