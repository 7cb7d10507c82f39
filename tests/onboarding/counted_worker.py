"""A worker of the queue ``onboarding`` with counting steps, started again at once whenever it dies.

It imports everything once and forks, so that a death costs a fraction of a second.
"""

import os
from pathlib import Path

import django

django.setup()

# Django's apps come first, so these follow.
from orchestrator.celery import app  # noqa: E402
from tests.onboarding import counted_steps  # noqa: E402

OPTIONS = ("-Q", "onboarding", "-P", "threads", "-c", "2", "--without-gossip", "--without-mingle")


def main() -> None:
    """Fork workers, one after the other, until somebody ends this process and its group."""
    steps = os.environ.get("COUNTED_STEPS", "counted")
    if steps == "product":
        counted_steps.leave_out_terraform()
    if steps in {"product", "terraform"}:
        counted_steps.install_deaths_in_steps()
    else:
        counted_steps.install_steps()
    counted_steps.install_deaths()
    app.loader.import_default_modules()
    while True:
        child = os.fork()
        if child == 0:
            app.worker_main(["worker", "-l", "INFO", "-n", f"onboarding-{os.getpid()}@%h", *OPTIONS])
            os._exit(0)
        (Path(os.environ["COUNTED_STORE"]) / "worker").write_text(str(child), encoding="utf-8")
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
