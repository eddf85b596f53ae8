"""What a fit takes beside its input, as a multiple of it: a search of 200 members has to stay below a gigabyte.

Logits of 200 members on 3,589 images are 20 MB; with the interpreter and its libraries, 40 times as much fits.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import ensembles

MEMBERS, SAMPLES, CLASSES = 40, 400, 7
MOST_IN_FIT, MOST_IN_PREDICT = 24, 14  # times the logits; the largest take 16 and 8


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    targets = np.arange(SAMPLES) % CLASSES
    logits = random.normal(size=(MEMBERS, SAMPLES, CLASSES)) + 1.6 * np.eye(CLASSES)[targets]
    return logits.astype(np.float32), targets


@pytest.mark.parametrize("name", ensembles.names())
def test_a_fit_takes_a_small_multiple_of_its_input(name: str, data: tuple[np.ndarray, np.ndarray]):
    logits, targets = data
    ensembler = ensembles.create(name).fit(logits[:3, :60], targets[:60])  # imports what it needs
    tracemalloc.start()
    try:
        ensembler.fit(logits, targets)
        fit = tracemalloc.get_traced_memory()[1] / logits.nbytes
        tracemalloc.reset_peak()
        ensembler.predict_proba(logits)
        predicted = tracemalloc.get_traced_memory()[1] / logits.nbytes
    finally:
        tracemalloc.stop()
    assert fit < MOST_IN_FIT and predicted < MOST_IN_PREDICT
