"""How to reach an engine, and who may: whoever reaches its scheduler runs code as the user who started it.

Without certificates all stay on the loopback interface, unless told otherwise. With them, everybody who talks shows a
certificate of the same authority, and all that is said is encrypted.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed.security import Security

VARIABLE = "BENCHMARK_TLS"
"""Names a folder of FILES; scheduler, workers and runs that see it talk to nobody without such a certificate."""

FILES = ("ca.pem", "cert.pem", "key.pem")
LOOPBACK = "127.0.0.1"
GLANCE = 0.5  # seconds between two looks for a scheduler's file


def security() -> Security:
    """Return how to talk to an engine; raise ValueError, naming the file, where certificates are incomplete."""
    from distributed.security import Security

    folder = os.environ.get(VARIABLE)
    if not folder:
        return Security(require_encryption=False)
    authority, certificate, key = (str(Path(folder) / name) for name in FILES)
    for path in (authority, certificate, key):
        if not Path(path).is_file():
            raise ValueError(f"{VARIABLE}={folder}: {path} is missing; the folder holds {', '.join(FILES)}")
    roles = {f"tls_{role}_{kind}" for role in ("client", "scheduler", "worker") for kind in ("cert", "key")}
    files = {name: certificate if name.endswith("cert") else key for name in roles}
    return Security(require_encryption=True, tls_ca_file=authority, **files)


def protocol() -> str:
    """Return what addresses begin with: `tls` where there are certificates, else `tcp`."""
    return "tls" if os.environ.get(VARIABLE) else "tcp"


def address_of(text: str, patience: float = 0.0) -> str:
    """Return a scheduler's address: `text` itself, or what stands in the file of that name, for which to wait.

    Raises ValueError where there is no such file, or no address in it.
    """
    if "://" in text:
        return text.replace("dask://", "tcp://", 1)
    deadline, path = time.monotonic() + patience, Path(text)
    while not path.is_file() and time.monotonic() < deadline:
        time.sleep(GLANCE)
    try:
        address = json.loads(path.read_text(encoding="utf-8"))["address"]
    except FileNotFoundError:
        raise ValueError(f"{text} is no address such as tcp://HOST:8786, and there is no such file") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{text} does not say where a scheduler is ({type(error).__name__}: {error})") from error
    return str(address)
