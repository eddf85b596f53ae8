"""Get weights from the hub or its cache; where the hub does not answer, say so within a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.pretrained.packages import WeightsUnavailable

HUB_FILE = "model.safetensors"
HUB_ANSWERS_WITHIN = 0.8  # seconds


def fetch_from_hub(repository: str) -> Path:
    """Return the path of a repository's weights in the hub's cache, where they are fetched to if they are missing.

    Raises WeightsUnavailable, within a second where there is no hub.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, HUB_FILE)
    if isinstance(cached, str):
        return Path(cached)
    obstacle = _hub_obstacle()
    if obstacle is None:
        try:
            return Path(hf_hub_download(repository, HUB_FILE))
        except Exception as error:  # the hub and the libraries below it raise many kinds
            obstacle = f"{type(error).__name__}: {error}"
    raise WeightsUnavailable(
        f"The weights {repository} are not in the hub's cache, and the hub is out of reach ({obstacle}). Where there "
        f"is a network: hf download {repository} {HUB_FILE}; its cache ($HF_HOME) can be copied here. "
        "Members that start from packaged weights need no hub: python -m zoo.pretrained"
    )


def _hub_obstacle() -> str | None:
    """Return why the hub does not answer, or None; its own client would try for most of a minute."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    ask: Callable[[], Any] = lambda: get_session().head(constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN)  # noqa: E731
    return _failure_within(HUB_ANSWERS_WITHIN, ask)


def _failure_within(seconds: float, ask: Callable[[], Any]) -> str | None:
    """Call `ask` in a thread and return what went wrong, or that it took too long.

    The thread is needed because looking up a host name takes no timeout.
    """
    failures = [f"no answer in {seconds} s"]

    def attempt() -> None:
        try:
            ask()
            failures.clear()
        except Exception as error:  # of whichever HTTP library the hub's client uses
            failures[0] = str(error) or type(error).__name__

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return failures[0] if failures else None
