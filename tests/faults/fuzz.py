"""Goes on where the tests beside it end: `python -m tests.faults.fuzz 2500` tries so many damaged files.

Prints every file that is neither taken nor refused by one message, by its name and seed, and how many were what.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from tests.faults import test_hostile_data_files as data
from tests.faults import test_hostile_predictions as predictions
from tests.helpers import hostile_data, hostile_predictions

NAMES = (*hostile_predictions.WHOLE, *hostile_data.FORMS)


def tried(folder: Path, name: str, seed: int) -> str:
    """Read the mutated file of that name and seed, and say whether it was taken or refused; raise what is wrong."""
    if name in hostile_predictions.WHOLE:
        path = hostile_predictions.write(folder, name, seed)
        refusal, check = predictions.refusal, predictions.check_message
    else:
        path = folder / name
        path.write_bytes(hostile_data.mutated(name, hostile_data.FORMS[name][0](), seed))
        refusal, check = data.refusal, data.check_message
    message = refusal(path)
    if message is not None:
        check(message, path)
    return "taken" if message is None else "refused"


def main(count: int, first: int = 1_000_000) -> int:
    """Try so many files, with seeds from `first`; return 1 where any of them ends otherwise than it should."""
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            name, seed = NAMES[number % len(NAMES)], first + number // len(NAMES)
            try:
                told[tried(Path(folder), name, seed)] += 1
            except BaseException as error:
                told["WRONG"] += 1
                print(f"{name}, seed {seed}: {type(error).__name__}: {str(error)[:300]}")
                print("  " + traceback.format_exc().strip().splitlines()[-4].strip(), flush=True)
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(told.items())))
    return 1 if told["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:] or ["2500"])))
