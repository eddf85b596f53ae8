"""Load modules with members outside this package: files and modules named by the user, and installed packages.

A package announces its members by an entry point of the group `fer_ensembles.members` whose value is a module.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

from zoo.errors import shortened

GROUP = "fer_ensembles.members"


def entry_points() -> list[str]:
    """Return the modules that installed packages announce, sorted by name."""
    return sorted({point.value for point in metadata.entry_points(group=GROUP)})


def load(source: str) -> str:
    """Import the path of a .py file, or a module by name; return the module's name in sys.modules.

    Raises ValueError, which names the source, where the file is missing or the import fails.
    """
    is_file = source.endswith(".py") or "/" in source or "\\" in source
    if is_file and not Path(source).is_file():
        raise ValueError(f"{shortened(source)}: there is no such file")
    try:
        return _load_file(Path(source).resolve()) if is_file else importlib.import_module(source).__name__
    except (Exception, SystemExit) as error:  # whatever somebody's file does wrong; to exit is no success
        advice = "" if is_file else "; it must be importable (installed, or in a folder of PYTHONPATH)"
        reason = f"{type(error).__name__}: {shortened(str(error))}"
        raise ValueError(f"{shortened(source)} cannot be imported: {reason}{advice}") from error


def _load_file(path: Path) -> str:
    """Import the file under a name made of its path: it then never clashes with another file or library."""
    name = f"zoo_outside_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # builders are looked up here, and dataclasses in the file need it while it runs
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return name


def fingerprint(module: str) -> str:
    """Return a hash of a module's code; comments, layout and the modules it imports do not count."""
    text = Path(sys.modules[module].__file__ or "").read_text()
    return hashlib.sha256(ast.unparse(ast.parse(text)).encode()).hexdigest()[:16]
