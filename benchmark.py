"""Command line of the harness: `python benchmark.py --suite fer2013`; `python benchmark.py --help` names its verbs."""

from __future__ import annotations

import os
import sys

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 2 for bad input, 130 where the user interrupted, 75 where the
    machine did, or the engine is gone: the same command goes on later."""
    from benchmarks.commands import command_line

    os.environ["MPLBACKEND"] = "agg"  # figures go to files; a notebook hands its own backend down to the commands in it
    if argv is None:  # the process is this program's own; those that it starts are, too
        os.environ["ENSEMBLES_XGBOOST_ALONE"] = "1"  # ensembles/stacking_xgboost.py
    try:
        try:
            command, arguments = command_line.parse(sys.argv[1:] if argv is None else argv)
            code = command_line.execute(command, arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written goes nowhere
        return 0
    except (ValueError, OSError) as error:
        from benchmarks.text import printable

        print(printable(f"{command_line.program()}: {error}"), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "Interrupted.", file=sys.stderr)
        return getattr(stopped, "code", EXIT_INTERRUPTED)
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
