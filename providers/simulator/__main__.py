"""``python -m providers.simulator``: start the simulator, print its base URLs, serve until stopped."""

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

from providers.simulator.behaviour import PROVIDERS, Behaviour
from providers.simulator.scenarios import ScenarioLibrary
from providers.simulator.server import Simulator
from providers.simulator.state import SimulatorState


def build_parser() -> argparse.ArgumentParser:
    """Build the command line; ``--behave`` takes what ``PUT /__sim__/<provider>`` takes."""
    made = argparse.ArgumentParser(prog="python -m providers.simulator", description=__doc__)
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0, help="0 takes a free one")
    made.add_argument(
        "--samples",
        type=Path,
        default=None,
        help="folder of scenarios, as docs/reference/answer-format.md says",
    )
    made.add_argument("--echo", action="store_true", help="answer everything with a short fixed text")
    made.add_argument(
        "--latency", default="0", help="seconds of every answer: 0.2, or 0.1-0.5 for a uniform distribution"
    )
    made.add_argument(
        "--behave", action="append", default=[], metavar="PROVIDER=JSON", help='such as openai={"latency": 1}'
    )
    made.add_argument("--quiet", action="store_true", help="do not log requests")
    return made


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.WARNING if options.quiet else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s simulator %(message)s",
    )
    state = SimulatorState(ScenarioLibrary(options.samples), echo=options.echo)
    for provider in PROVIDERS:
        state.set_behaviour(provider, Behaviour.parse({"latency": options.latency}))
    for one in options.behave:
        provider, _, text = one.partition("=")
        state.set_behaviour(provider, Behaviour.parse({"latency": options.latency, **json.loads(text)}))
    simulator = Simulator((options.host, options.port), state)
    # One line of JSON, flushed: the process that started this one reads it to learn the port.
    sys.stdout.write(json.dumps(simulator.base_urls()) + "\n")
    sys.stdout.flush()
    for number in (signal.SIGINT, signal.SIGTERM):
        # In a thread of its own: ``shutdown`` waits for the loop, which this handler interrupts.
        signal.signal(number, lambda *_: threading.Thread(target=simulator.shutdown).start())
    simulator.serve_forever(poll_interval=0.1)
    simulator.server_close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
