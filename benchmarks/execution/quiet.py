"""Settings of Dask that serve trainings: it says what is wrong and nothing else, and measures nothing."""

from __future__ import annotations

import logging


def quiet() -> None:
    """Set Dask up for this process: errors alone are logged, no thread profiles the others a hundred times a second."""
    import dask
    import distributed  # noqa: F401, sets its loggers up when it is imported

    dask.config.set(
        {"distributed.worker.profile.enabled": False, "distributed.admin.system-monitor.gil.enabled": False}
    )
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
