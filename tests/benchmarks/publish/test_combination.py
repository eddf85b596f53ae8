"""Every exportable ensembler as a module says what `predict_proba` says; the others are refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ensembles
from benchmarks.publish.combination import NotExportable, Single, check_exportable, combination, exportable

LOGITS = np.random.default_rng(0).normal(0, 2, (4, 150, 5)).astype(np.float32)
TARGETS = np.where(np.random.default_rng(1).random(150) < 0.6, LOGITS.mean(0).argmax(1), np.arange(150) % 5)
REFUSED = ("hard_vote", "borda", "gating", "knora_e", "knora_u", "stack_xgboost")


@pytest.mark.parametrize("name", exportable())
def test_a_module_says_what_its_ensembler_says(name: str):
    fitted = ensembles.create(name).fit(LOGITS, TARGETS)
    used = fitted.members_used_.tolist()
    with torch.no_grad():
        found = combination(fitted, used)(torch.from_numpy(LOGITS[used])).exp().numpy()
    assert np.abs(found - fitted.predict_proba(LOGITS)).max() < 1e-5


@pytest.mark.parametrize("name", ["stack_logistic", "stack_mlp"])
def test_stackers_on_probabilities(name: str):
    fitted = ensembles.create(name, inputs="probabilities").fit(LOGITS, TARGETS)
    with torch.no_grad():
        found = combination(fitted, [0, 1, 2, 3])(torch.from_numpy(LOGITS)).exp().numpy()
    assert np.abs(found - fitted.predict_proba(LOGITS)).max() < 1e-5


def test_a_member_alone_is_its_softmax():
    with torch.no_grad():
        found = Single()(torch.from_numpy(LOGITS[:1])).exp().numpy()
    assert np.allclose(found, ensembles.softmax(LOGITS[0]), atol=1e-6)


def test_every_ensembler_is_exportable_or_refused():
    assert {*exportable(), *REFUSED} == set(ensembles.names())


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_refused_with_what_has_one(name: str):
    with pytest.raises(NotExportable, match=rf"\({name}\) has no form .*; exportable: .*super_learner.*stack_logistic"):
        check_exportable(name)
