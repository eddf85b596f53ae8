"""Teachers that see their student's views: what they are shown, what they say, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo import registry
from zoo.errors import ChangesNothing
from zoo.inference.pixels import normalise
from zoo.overrides import override
from zoo.recipes import Labels, Recipe
from zoo.state_dicts import join
from zoo.training import loop
from zoo.training.job import PeerPredictions, TrainContext, TrainJob
from zoo.training.matched import Teacher, Teachers

torch.set_num_threads(1)

MATCHED = Labels(teacher="mlp+lenet", teacher_weight=0.7, temperature=2.0, matched=True)
STUDENT = replace(
    registry.get("lenet"),
    recipe=Recipe(epochs=1, batch_size=8, tta="none", bf16_on_cpu=False, mixup=0.4, labels=MATCHED),
)


def teacher(name: str, seed: int, normalisation: str = "fixed") -> Teacher:
    member = override(registry.get(name), [f"recipe.normalise={normalisation}", "recipe.bf16_on_cpu=false"])
    torch.manual_seed(seed)
    return Teacher(member, member.build(4, 1).state_dict())


def answer(one: Teacher, views: Tensor, part: dict[str, Tensor] | None = None) -> Tensor:
    network = one.member.build(4, 1)
    network.load_state_dict(part or one.weights)
    with torch.no_grad():
        return network.eval()(normalise(views, one.member.recipe.normalise))


def test_targets_are_the_softened_mean_of_what_each_says_of_the_view():
    first, second = teacher("linear", 1), teacher("mlp", 2, "image")
    parts = [teacher("mlp", seed).weights for seed in (3, 4)]
    third = replace(teacher("mlp", 5), weights=join(parts))
    views, targets = torch.rand(6, 1, 8, 8), torch.eye(4)[torch.arange(6) % 4]
    before = torch.get_rng_state()
    teachers = Teachers([first, second, third], STUDENT.recipe, 4, 1, "cpu")
    assert torch.equal(torch.get_rng_state(), before), "training's random draws do not depend on its teachers"
    logits = [answer(first, views), answer(second, views), sum(answer(third, views, dict(part)) for part in parts) / 2]
    mean = sum(one.softmax(dim=1) for one in logits) / 3
    softened = mean.sqrt() / mean.sqrt().sum(dim=1, keepdim=True)
    found = teachers.targets(views, targets)
    torch.testing.assert_close(found, 0.3 * targets + 0.7 * softened, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, teachers.targets(views.flip(3), targets), atol=1e-4), "it depends on the view"


def test_a_teacher_sees_a_smaller_view_at_its_own_size():
    teachers = Teachers([teacher("mlp", 2)], STUDENT.recipe, 4, 1, "cpu")
    constant = torch.full((2, 1, 5, 5), 0.25)
    expected = teachers.targets(torch.full((2, 1, 8, 8), 0.25), torch.zeros(2, 4))
    torch.testing.assert_close(teachers.targets(constant, torch.zeros(2, 4)), expected)


def test_in_training_they_are_shown_what_the_student_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown: list[Tensor] = []
    seen: list[Tensor] = []
    given = Teachers.targets

    def noted(self: Teachers, views: Tensor, targets: Tensor) -> Tensor:
        shown.append(normalise(views, STUDENT.recipe.normalise))
        return given(self, views, targets)

    def backward(self: loop._Run, inputs: Tensor, targets: Tensor, affect: Tensor | None) -> tuple[Tensor, Tensor]:
        seen.append(inputs)
        return original(self, inputs, targets, affect)

    original = loop._Run._backward
    monkeypatch.setattr(Teachers, "targets", noted)
    monkeypatch.setattr(loop._Run, "_backward", backward)
    images = np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8)
    split = SimpleNamespace(images=images, targets=np.arange(24) % 4, votes=None, affect=None)
    data = SimpleNamespace(train=split, val=split)
    job = TrainJob(STUDENT, data, 4, peers=PeerPredictions(networks=(teacher("mlp", 2),)))
    trained = loop.train(job, TrainContext(tmp_path / "once"))
    again = loop.train(job, TrainContext(tmp_path / "twice"))
    assert len(shown) == len(seen) == 6
    assert all(torch.equal(one, other) for one, other in zip(shown, seen, strict=True))
    assert all(torch.equal(value, again.weights[name]) for name, value in trained.weights.items())
    with pytest.raises(ValueError, match=r"labels\.matched needs the teachers' networks"):
        loop.train(replace(job, peers=PeerPredictions()), TrainContext(tmp_path / "none"))


def test_a_teacher_of_other_images_is_refused():
    other = teacher("mlp", 2)
    other = replace(other, member=replace(other.member, recipe=replace(other.member.recipe, preprocess="equalise")))
    with pytest.raises(
        ValueError, match=r"mlp cannot see the student's views: .* by 'equalise', the student's by 'none'"
    ):
        Teachers([other], STUDENT.recipe, 4, 1, "cpu")


def test_views_matter_only_where_somebody_teaches():
    assert registry.get("vgg_fer@third@matched@sixty").recipe.labels.matched
    with pytest.raises(ChangesNothing, match=r"labels\.matched has no effect"):
        registry.get("vgg_fer@matched")
