"""What trainings that run at once on one machine divide: its cores, and its cards.

Each keeps to its own cores, one thread a core, so that a member gets the numbers that it gets alone with so many
threads. (With another number of threads, sums are taken in another order.) Each holds its own copy of the images, which
are bytes: 83 MB of FER2013.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

ON_A_CARD = 4
"""Trainings for `auto` on each card: one small network leaves most of it idle."""

MEMORY = 4 * 2**30
"""Bytes that `auto` grants each training on CPUs: three times what one of images of 48 pixels takes."""

CARDS = "CUDA_VISIBLE_DEVICES"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # read when the libraries are loaded


@dataclass(frozen=True)
class Slot:
    """Room for one training at a time: a process on these cores, with so many threads, on a card or none.

    `card` is as CUDA_VISIBLE_DEVICES names it; empty where no card is used.
    """

    cores: tuple[int, ...]
    threads: int
    card: str = ""


def workers(asked: int | Literal["auto"], device: str, members: int, cards: int = 1) -> int:
    """Return how many processes are of use for so many members; 1 says to train in this one.

    With `auto`, every core has one, as far as the memory goes; every one of the `cards` has ON_A_CARD.
    """
    automatic = ON_A_CARD * max(1, cards) if device == "cuda" else min(len(available()), memory() // MEMORY)
    return max(1, min(automatic if asked == "auto" else asked, members))


def slots(
    count: int, cards: Sequence[str] = (), threads: int | None = None, cores: Sequence[int] | None = None
) -> list[Slot]:
    """Divide cores, all of this process by default, and cards among so many processes: neighbours share a card.

    `threads` are one a core by default.
    """
    on = [cards[place * len(cards) // count] if cards else "" for place in range(count)]
    each = shares(available() if cores is None else cores, count)
    return [Slot(tuple(cores), threads or len(cores), card) for cores, card in zip(each, on, strict=True)]


def shares(cores: Sequence[int], count: int) -> list[list[int]]:
    """Divide the cores among so many processes, equally, at least one each; where cores are fewer, processes share."""
    each = max(1, len(cores) // count)
    return [[cores[(worker * each + core) % len(cores)] for core in range(each)] for worker in range(count)]


def available() -> list[int]:
    """List the cores this process may use, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def memory() -> int:
    """Return the bytes of memory of this machine; of one that does not say, those of one training."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return MEMORY


def visible_cards(device: str = "auto") -> list[str]:
    """List the cards that torch sees here, as CUDA_VISIBLE_DEVICES names them; none for a `device` of `cpu`."""
    if device == "cpu":
        return []
    import torch

    named = [card.strip() for card in os.environ.get(CARDS, "").split(",") if card.strip()]
    count = torch.cuda.device_count()
    return named[:count] if named else [str(card) for card in range(count)]


@contextmanager
def inherited(slot: Slot) -> Iterator[None]:
    """Have a process that is started meanwhile see the slot's card, or none, and give every library its threads."""
    wanted = dict.fromkeys(THREADS, str(slot.threads)) | {CARDS: slot.card}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}


def pin(slot: Slot) -> None:
    """Keep this process to the slot's cores; call it before it has other threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, slot.cores)
