"""Ablations: variants beside their networks on val, with the same seeds."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evaluation.ablations import ablations
from benchmarks.report.sections.ablations import ablations_section
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from tests.helpers.generated import FACES, PROVENANCE
from tests.helpers.results import blank_results
from zoo import registry


def answers(name: str, seed: int, targets: Targets, right: int) -> Predictions:
    """Sure and right on the first so many images of val, sure and wrong on the others."""
    classes = len(FACES)
    said = np.where(np.arange(len(targets.val)) < right, targets.val, (targets.val + 1) % classes)
    logits = 4 * np.eye(classes, dtype=np.float32)[said]
    configuration = Configuration(registry.get(name), seed, "f" * 32, classes)
    return Predictions(configuration, logits, np.zeros((len(targets.test), classes), np.float32), PROVENANCE)


def test_a_variant_is_compared_over_the_seeds_it_shares_with_its_network(faces: Targets):
    some = [
        answers("vgg_fer", 0, faces, 30),
        answers("vgg_fer", 1, faces, 50),
        answers("vgg_fer@mixup", 1, faces, 57),
        answers("vgg_fer@mixup", 2, faces, 70),
    ]
    (row,) = ablations(some, faces)
    assert (row["name"], row["network"], row["seeds"]) == ("vgg_fer@mixup", "vgg_fer", [1])
    assert row["changes"] == ["mixup was 0.0, is 0.2"]
    assert row["val_accuracy"] == pytest.approx(57 / 70)
    assert row["difference"] == pytest.approx(7 / 70)
    assert row["p"] == pytest.approx(2 / 2**7), "seven images, all won"
    sure = 4 - np.log(np.exp(4) + 6)
    assert row["log_loss"] == pytest.approx(-(57 * sure + 13 * (sure - 4)) / 70)
    assert row["log_loss_difference"] == pytest.approx(-7 * 4 / 70)


def test_a_variant_of_a_variant_is_compared_with_that(faces: Targets):
    names = ("vgg_fer", "vgg_fer@muon", "vgg_fer@muon@mixup")
    rows = ablations([answers(name, 0, faces, 9) for name in names], faces)
    assert [row["network"] for row in rows] == ["vgg_fer", "vgg_fer@muon"]
    assert rows[1]["changes"] == ["mixup was 0.0, is 0.2"]


def test_where_the_last_part_cannot_be_left_out_another_one_is(faces: Targets):
    names = ("vgg_fer", "vgg_fer@long", "vgg_fer@mixup@long", "resnet_fer@mixup@long")
    rows = ablations([answers(name, 0, faces, 9) for name in names], faces)
    assert [(row["name"], row["variant"], row["network"]) for row in rows] == [
        ("vgg_fer@long", "long", "vgg_fer"),
        ("vgg_fer@mixup@long", "mixup", "vgg_fer@long"),
    ]
    assert rows[1]["changes"] == ["mixup was 0.0, is 0.2"]


def test_what_has_no_counterpart_is_no_ablation(faces: Targets):
    assert ablations([answers("vgg_fer", 0, faces, 9), answers("vgg_fer@mixup", 1, faces, 9)], faces) == []
    assert ablations([answers("resnet_fer", 0, faces, 9), answers("vgg_fer@mixup", 0, faces, 9)], faces) == []


def test_the_section_has_a_table_a_network_and_no_word_of_test_accuracies(faces: Targets):
    names = ("vgg_fer", "resnet_fer", "vgg_fer@mixup", "resnet_fer@small", "resnet_fer@equalised")
    rows = ablations([answers(name, 0, faces, 20 + place) for place, name in enumerate(names)], faces)
    splits = {"val": {"name": "PublicTest", "size": 70}, "test": {"name": "PrivateTest", "size": 84}}
    text = ablations_section(blank_results(ablations=rows, splits=splits))
    assert text.count("| Variant |") == 2
    assert "| small | image_size was 48, is 40 | 0 | 32.86 | +2.9 |" in text
    assert "| mixup |" in text.partition("Of resnet_fer")[0]
    assert ablations_section(blank_results(splits=splits)) == ""
