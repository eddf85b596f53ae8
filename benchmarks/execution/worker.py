"""Start workers on this machine for runs elsewhere: one process a slot, on every card.

    python -m benchmarks.execution.worker tcp://10.0.0.1:8786     # workers of the scheduler at this address
    python -m benchmarks.execution.worker FILE                    # the same: the file holds the address
    python -m benchmarks.execution.worker FILE --slots 2 --threads 4

They train what runs with `--engine` hand them, and go on from the checkpoint wherever another worker was lost. SIGTERM,
SIGUSR1, SIGUSR2 or Ctrl-C asks them to save their states and leave; a second one ends them at once. The exit code is 75
where the machine told them to, or where the scheduler is gone: started again, they go on; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
from threading import Timer
from types import FrameType

from benchmarks.execution.connection import address_of
from benchmarks.execution.crew import Crew
from benchmarks.execution.serving import LEFT, Meeting
from benchmarks.execution.slots import ON_A_CARD, slots, visible_cards
from benchmarks.execution.stopping import LEAVE_SIGNALS, Interrupted, ToldToLeave

PATIENCE = 60.0


def main(argv: list[str] | None = None) -> int:
    """Run workers until all have left; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        address = address_of(arguments.scheduler, arguments.patience)
    except ValueError as error:
        print(f"worker: {error}", file=sys.stderr)
        return 2
    cards = visible_cards(arguments.device)
    if arguments.cards > 1:
        cards = [",".join(cards[first : first + arguments.cards]) for first in range(0, len(cards), arguments.cards)]
    count = arguments.slots or max(1, len(cards) * (arguments.a_card if arguments.cards == 1 else 1))
    meeting = Meeting(address, arguments.patience, arguments.scratch, arguments.host)
    crew = Crew(slots(count, cards, arguments.threads), meeting)
    told = _hand_on_signals(crew)
    crew.start()
    if arguments.lifetime is not None:
        clock = Timer(arguments.lifetime, crew.leave)
        clock.daemon = True
        clock.start()
    print(f"{count} worker{'s' if count > 1 else ''} for {address}", flush=True)
    codes = crew.watch()
    if signal.SIGINT in told:
        return Interrupted.code
    return 0 if codes == {LEFT} and not told else ToldToLeave.code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scheduler", metavar="ADDRESS|FILE", help="tcp://HOST:PORT, tls://HOST:PORT, or a file with it")
    parser.add_argument("--slots", type=int, help="trainings at a time (default: 1 on CPUs, --a-card on each card)")
    parser.add_argument("--a-card", type=int, default=ON_A_CARD, help=f"trainings on each card (default: {ON_A_CARD})")
    parser.add_argument("--cards", type=int, default=1, help="cards of each training, for it alone (default: 1)")
    parser.add_argument("--threads", type=int, help="threads of each training (default: its share of the cores)")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto", help="cpu: leave the cards alone")
    parser.add_argument("--scratch", metavar="DIR", help="folder for temporary files, best on a disk of this machine")
    parser.add_argument("--host", help="address of this machine on which workers listen (default: as it is reached)")
    parser.add_argument("--lifetime", type=float, metavar="SECONDS", help="leave after this long")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS", help="wait so long for it")
    return parser


def _hand_on_signals(crew: Crew) -> list[int]:
    """Have signals ask the workers to leave; return the list of those that came."""
    told: list[int] = []

    def told_by(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if len(told) > 1:
            crew.kill()
        else:
            crew.leave()

    for number in (signal.SIGINT, *LEAVE_SIGNALS):
        signal.signal(number, told_by)
    return told


if __name__ == "__main__":
    sys.exit(main())
