"""The training loop: it learns, and whatever interrupts it, it ends where it would have ended."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from benchmarks.data import Dataset
from benchmarks.store.file_names import member_files
from tests.helpers.runs import PATIENCE, ROOT, Outcome, cli, undrawn
from tests.helpers.small_disk import small_disk
from tests.helpers.trained import trained
from zoo import registry
from zoo.cpu import supports_bf16
from zoo.inference.images import to_device
from zoo.inference.predict import class_scores, predict
from zoo.networks.resnet_fer import preact_resnet
from zoo.outputs import Outputs
from zoo.recipes import Labels, Loss, Recipe, Transfer
from zoo.registry import Member
from zoo.state_dicts import split
from zoo.structure import classifier_names
from zoo.training.cross_validation import train_folds
from zoo.training.finetune import set_phase
from zoo.training.job import PeerPredictions, Progress
from zoo.training.loop import Stopped, Trained, TrainingDiverged
from zoo.training.soups import train_soup

torch.set_num_threads(1)

TIMES = {"seconds", "images_per_second"}
PLAIN = Recipe(
    epochs=4,
    batch_size=32,
    learning_rate=0.1,
    tta="none",
    ema_decay=0.9,
    augment=replace(Recipe().augment, flip=False, rotation=5.0, shift=0.02, erase=0.1),
)


def wobbly(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """A small residual network with batch norm and dropout."""
    return preact_resnet((8, 16), (1, 1), num_classes, in_chans, dropout=0.4)


def fragile(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """One layer without any norm: a large learning rate ends in no number."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * image_size**2, num_classes))


def small(builder: Callable[..., nn.Module] = wobbly, **recipe: Any) -> Member:
    target = f"{__name__}:{builder.__name__}"
    return replace(registry.get("lenet"), name="small", builder=target, image_size=16, recipe=replace(PLAIN, **recipe))


RECIPES = {
    "plain": small(),
    "progressive sizes": small(start_size=0.5, epochs=5),
    "adamw, cosine, per-image normalisation": small(
        optimizer="adamw", learning_rate=2e-3, schedule="cosine", normalise="image"
    ),
    "float32, no clipping": small(bf16_on_cpu=False, clip_norm=math.inf),
    "another optimizer": small(optimizer="lion", learning_rate=1e-3),
    "two passes, slow weights": small(sam=0.05, lookahead=True),
    "mixed, balanced, in parts": small(mixup=0.3, cutmix=1.0, mix_probability=0.7, sampling="balanced", accumulate=2),
    "short epochs, on a plateau": small(schedule="plateau", patience=1, epoch_images=100, warmup=0.0, epochs=8),
    "stochastic weight averaging": small(average="swa", swa_start=0.5),
    "snapshots": small(average="snapshots", schedule="warm_restarts", cycles=2, warmup=0.0),
    "gradual": small(transfer=Transfer(head_epochs=1, unfreeze_epochs=1)),
    "regularised": small(l1=1e-4, dropout=0.3),
    "two phases": small(transfer=Transfer(head_epochs=2, backbone=0.5, layer_decay=0.8, freeze_norm=True)),
}


def stop_before(step: int) -> Callable[[], str | None]:
    """Asks to stop when asked for the `step`-th time, counted from 0."""
    asked = count()
    return lambda: "enough" if next(asked) >= step else None


def without_times(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in history]


def assert_same(one: Trained, other: Trained) -> None:
    """Bit-identical weights and history."""
    assert without_times(one.history) == without_times(other.history)
    assert one.best_epoch == other.best_epoch
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name


@pytest.fixture(scope="module")
def unbroken(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    folder = tmp_path_factory.mktemp("unbroken")
    return {name: trained(member, dataset, folder / f"{name}.pt") for name, member in RECIPES.items()}


def test_it_learns(dataset: Dataset, tmp_path: Path):
    result = trained(small(epochs=12), dataset, tmp_path / "a.pt")
    assert result.history[-1]["train_accuracy"] > 0.8
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    weights, test = result.weights, dataset.test
    logits = predict(small(), weights, test.images, 3, "cpu")
    assert (logits.argmax(1) == test.targets).mean() > 0.8


def test_labels_without_a_pattern_are_not_learned(dataset: Dataset, tmp_path: Path):
    shuffled = replace(dataset.train, targets=np.random.default_rng(0).permutation(dataset.train.targets))
    result = trained(small(epochs=6), replace(dataset, train=shuffled), tmp_path / "a.pt")
    assert result.history[-1]["val_accuracy"] < 0.65


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_stopped_training_ends_as_the_unbroken_one(
    dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path, recipe: str
):
    """Stopped before the first step, within an epoch, at its border, and in the third."""
    checkpoint, stops = tmp_path / "a.pt", (0, 3, 6, 13)
    for begun, stop_at in pairwise((0, *stops)):
        with pytest.raises(Stopped, match="enough"):
            trained(RECIPES[recipe], dataset, checkpoint, stop=stop_before(stop_at - begun))
        torch.manual_seed(999)
    steps = count()
    resumed = trained(RECIPES[recipe], dataset, checkpoint, stop=lambda: next(steps) and None)
    a_step = RECIPES[recipe].recipe.batch_size
    in_epoch = (RECIPES[recipe].recipe.epoch_images or len(dataset.train)) // a_step
    left = in_epoch * RECIPES[recipe].recipe.epochs - stops[-1]
    assert next(steps) == left, "it must go on each time, not start anew"
    assert_same(resumed, unbroken[recipe])


def test_stopping_before_every_single_step_changes_nothing(
    dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path
):
    for _ in range(10):
        with pytest.raises(Stopped):
            trained(RECIPES["progressive sizes"], dataset, tmp_path / "a.pt", stop=stop_before(1))
    assert_same(trained(RECIPES["progressive sizes"], dataset, tmp_path / "a.pt"), unbroken["progressive sizes"])


def test_a_finished_training_called_again_gives_the_same_at_once(
    dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path
):
    trained(RECIPES["plain"], dataset, tmp_path / "a.pt")
    again = trained(RECIPES["plain"], dataset, tmp_path / "a.pt", stop=lambda: pytest.fail("asked to train"))
    assert_same(again, unbroken["plain"])


def test_each_seed_gives_its_own_network(dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path):
    other = trained(RECIPES["plain"], dataset, tmp_path / "a.pt", seed=1)
    mine = unbroken["plain"].weights
    assert any(not torch.equal(mine[name], value) for name, value in other.weights.items())


def test_sizes_grow_as_the_recipe_says(unbroken: dict[str, Trained]):
    assert [row["image_size"] for row in unbroken["progressive sizes"].history] == [8, 8, 8, 16, 16]
    assert {row["image_size"] for row in unbroken["plain"].history} == {16}


def test_history_has_a_row_an_epoch(unbroken: dict[str, Trained]):
    for name, result in unbroken.items():
        assert [row["epoch"] for row in result.history] == list(range(1, RECIPES[name].recipe.epochs + 1))
        assert all(math.isfinite(value) for row in result.history for value in row.values())
        assert result.history[-1]["seconds"] == pytest.approx(result.seconds)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_best_epoch_is_that_of_the_highest_val_accuracy(unbroken: dict[str, Trained], recipe: str):
    result = unbroken[recipe]
    best = max(result.history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert result.best_epoch == best["epoch"]


def test_of_equal_accuracies_the_lower_loss_is_the_best_epoch(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scripted, seen = iter([(0.5, 1.0), (0.8, 1.0), (0.8, 0.9), (0.8, 0.95), (0.2, 0.1)]), []

    def evaluate(run: Any) -> tuple[float, float, dict[str, float]]:
        seen.append({name: value.clone() for name, value in run.average.module.state_dict().items()})
        return *next(scripted), {}

    monkeypatch.setattr("zoo.training.loop._Run._evaluate", evaluate)
    result = trained(small(epochs=5), dataset, tmp_path / "a.pt")
    assert result.best_epoch == 3
    assert all(torch.equal(value, seen[2][name]) for name, value in result.weights.items())


@pytest.mark.parametrize("recipe", ["plain", "progressive sizes", "float32, no clipping"])
def test_the_weights_are_those_of_the_best_epoch(dataset: Dataset, unbroken: dict[str, Trained], recipe: str):
    result, member = unbroken[recipe], RECIPES[recipe]
    network = member.build(3, 1)
    network.load_state_dict(result.weights)
    with torch.autocast("cpu", torch.bfloat16, enabled=member.recipe.bf16_on_cpu and supports_bf16()):
        logits = class_scores(network, to_device(dataset.val.images, "cpu"), member, tta="none")
    accuracy = (logits.argmax(1).numpy() == dataset.val.targets).mean()
    assert accuracy == pytest.approx(result.history[result.best_epoch - 1]["val_accuracy"], abs=1.5 / 60)


def test_the_averaged_weights_are_what_is_kept(dataset: Dataset, tmp_path: Path):
    checkpoint = tmp_path / "a.pt"
    result = trained(small(fragile, epochs=1, learning_rate=0.01), dataset, checkpoint)
    parts = torch.load(checkpoint, weights_only=True)
    assert all(torch.equal(parts["average"][name], value) for name, value in result.weights.items())
    assert any(not torch.equal(parts["network"][name], value) for name, value in result.weights.items())


def test_a_loss_that_is_no_number_ends_the_training_with_advice(dataset: Dataset, tmp_path: Path):
    member = small(fragile, learning_rate=1e30, clip_norm=math.inf, warmup=0.0)
    with pytest.raises(TrainingDiverged, match=r"epoch 1, step 6 of 6: lower the recipe's learning_rate \(1e\+30\)"):
        trained(member, dataset, tmp_path / "a.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint" * 50, "cut"])
def test_an_unreadable_checkpoint_is_set_aside_and_training_starts_anew(
    dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path, content: bytes | str
):
    checkpoint = tmp_path / "a.pt"
    with pytest.raises(Stopped):
        trained(RECIPES["plain"], dataset, checkpoint, stop=stop_before(8))
    damaged = checkpoint.read_bytes()[:-3000] if isinstance(content, str) else content
    checkpoint.write_bytes(damaged)
    assert_same(trained(RECIPES["plain"], dataset, checkpoint), unbroken["plain"])
    assert (tmp_path / "a.unreadable").read_bytes() == damaged


def test_the_checkpoint_of_another_network_is_set_aside(dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path):
    checkpoint = tmp_path / "a.pt"
    trained(small(fragile, epochs=1, learning_rate=0.01), dataset, checkpoint)
    assert_same(trained(RECIPES["plain"], dataset, checkpoint), unbroken["plain"])
    assert (tmp_path / "a.unreadable").exists()


def test_a_failed_save_leaves_the_last_checkpoint(dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path):
    checkpoint = tmp_path / "a.pt"
    with pytest.raises(Stopped):
        trained(RECIPES["plain"], dataset, checkpoint, stop=stop_before(4))
    before = checkpoint.read_bytes()
    with small_disk(1000), pytest.raises(OSError):
        trained(RECIPES["plain"], dataset, checkpoint, stop=stop_before(1))
    assert checkpoint.read_bytes() == before and list(tmp_path.iterdir()) == [checkpoint]
    assert_same(trained(RECIPES["plain"], dataset, checkpoint), unbroken["plain"])


def test_a_disk_that_is_full_for_the_state_costs_no_training(
    dataset: Dataset, unbroken: dict[str, Trained], tmp_path: Path
):
    notes: list[str] = []
    with small_disk(1000):
        assert_same(trained(RECIPES["plain"], dataset, tmp_path / "a.pt", note=notes.append), unbroken["plain"])
    assert list(tmp_path.iterdir()) == []
    [note] = notes
    assert note.startswith("the state of the training cannot be saved (") and "a stop would lose it" in note


def test_less_than_a_batch_of_images_is_refused(dataset: Dataset, tmp_path: Path):
    with pytest.raises(ValueError, match="192 training images are less than one batch of 500"):
        trained(small(batch_size=500), dataset, tmp_path / "a.pt")


def test_progress_is_reported_from_start_to_end(dataset: Dataset, tmp_path: Path):
    moments: list[Progress] = []
    trained(small(epochs=3), dataset, tmp_path / "a.pt", progress=moments.append)
    assert [moment.step for moment in moments] == sorted(moment.step for moment in moments)
    last = moments[-1]
    assert (last.epoch, last.epochs, last.step, last.steps, last.seconds_left) == (3, 3, 18, 18, 0)
    assert last.val_accuracy is not None and moments[0].val_accuracy is None


# Inference


def test_flip_averages_the_logits_of_both_passes(dataset: Dataset, unbroken: dict[str, Trained]):
    member, weights = RECIPES["plain"], unbroken["plain"].weights
    flipped = replace(member, recipe=replace(member.recipe, tta="flip"))
    images = dataset.test.images
    plain, mirrored = (predict(member, weights, part, 3, "cpu") for part in (images, images[..., ::-1]))
    both = predict(flipped, weights, images, 3, "cpu")
    np.testing.assert_allclose(both, (plain + mirrored) / 2, atol=1e-5)
    assert np.abs(both - plain).max() > 1e-2


def test_predictions_repeat_bit_by_bit(dataset: Dataset, unbroken: dict[str, Trained]):
    first, second = (
        predict(RECIPES["plain"], unbroken["plain"].weights, dataset.test.images, 3, "cpu") for _ in range(2)
    )
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


# Kills


def lenet(results: Path) -> list[object]:
    """What trains lenet with its own recipe."""
    options = ["--suite", "digits", "--members", "lenet", "--train", "missing", "--device", "cpu"]
    return [*options, "--ensemblers", "uniform", "--checkpoint-every", "0", "--results", results]


def digits(results: Path) -> subprocess.Popen[str]:
    """Trains it in a process of its own."""
    command = undrawn(*lenet(results))
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_epochs(checkpoint: Path, process: subprocess.Popen[str], epochs: int) -> dict[str, Any]:
    """The checkpoint's state once it holds so many epochs; it is replaced in one step, so no read sees half of it."""
    deadline, seen = time.monotonic() + PATIENCE, 0
    while time.monotonic() < deadline and process.poll() is None:
        if checkpoint.exists() and (written := checkpoint.stat().st_mtime_ns) != seen:
            seen = written
            state: dict[str, Any] = torch.load(checkpoint, weights_only=True)["state"]
            if state["epoch"] >= epochs:
                return state
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint of {epochs} epochs: {process.communicate()}")


@pytest.mark.usefixtures("no_figures")
def test_ctrl_c_and_kill_cost_no_epoch_and_no_bit(digits_run: tuple[Path, Outcome], tmp_path: Path):
    name = member_files(digits_run[0] / "digits" / "predictions", "lenet", 0)[0].stem
    checkpoint = tmp_path / "digits" / "checkpoints" / f"{name}.pt"

    interrupted = digits(tmp_path)
    first = wait_for_epochs(checkpoint, interrupted, 2)
    os.kill(interrupted.pid, signal.SIGINT)
    _, message = interrupted.communicate(timeout=PATIENCE)
    assert interrupted.returncode == 130
    assert message == "Interrupted in lenet; its state is saved, the same command goes on from there.\n"

    killed = digits(tmp_path)
    second = wait_for_epochs(checkpoint, killed, first["epoch"] + 3)
    killed.kill()
    killed.communicate(timeout=PATIENCE)
    assert killed.returncode == -signal.SIGKILL
    assert second["history"][:2] == first["history"][:2]

    last = cli(*lenet(tmp_path))
    assert last.code == 0, last.err
    folders = [root / "digits" / "predictions" for root in (tmp_path, digits_run[0])]
    mine, unbroken = (load_file(folder / f"{name}.safetensors") for folder in folders)
    assert mine["val"].tobytes() == unbroken["val"].tobytes()
    assert mine["test"].tobytes() == unbroken["test"].tobytes()
    tables = [list(csv.DictReader((folder / f"{name}.csv").open())) for folder in folders]
    kept = [[{key: row[key] for key in row if key not in TIMES} for row in table] for table in tables]
    assert kept[0] == kept[1]
    assert tables[0][0]["seconds"] == f"{first['history'][0]['seconds']:.6g}", "the first epoch is the first process's"
    assert not checkpoint.exists()


# What a recipe can ask for


def final_loss(result: Trained) -> float:
    return result.history[-1]["train_loss"]


def test_accumulated_batches_are_one_step(dataset: Dataset, tmp_path: Path):
    """Without batch norm and dropout, the sum of the parts' gradients is the gradient of the whole."""
    options = {"epochs": 2, "bf16_on_cpu": False, "learning_rate": 0.01}
    whole = trained(small(fragile, **options), dataset, tmp_path / "a.pt")
    parts = trained(small(fragile, **options, accumulate=4), dataset, tmp_path / "b.pt")
    for name, value in whole.weights.items():
        torch.testing.assert_close(parts.weights[name], value, rtol=1e-3, atol=1e-5)


def test_training_ends_early_where_val_does_not_gain(dataset: Dataset, tmp_path: Path):
    frozen = {"learning_rate": 1e-9, "epochs": 50, "stop_after": 3, "average": "none", "bf16_on_cpu": False}
    result = trained(small(fragile, **frozen), dataset, tmp_path / "a.pt")
    assert len(result.history) == 4, "the first epoch, and three that are no better"
    assert result.best_epoch <= 4


def test_in_the_first_phase_only_the_classifier_learns(dataset: Dataset, tmp_path: Path):
    member = small(transfer=Transfer(head_epochs=4), average="none", epochs=4)
    torch.manual_seed(0)
    before = member.build(3, 1).state_dict()
    after = trained(member, dataset, tmp_path / "a.pt").weights
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    *_, last = (name for name, module in member.build(3, 1).named_modules() if isinstance(module, nn.Linear))
    assert moved == {f"{last}.weight", f"{last}.bias"}


def test_layers_join_one_after_the_other_from_the_classifier_down(dataset: Dataset):
    network = small().build(3, 1)
    transfer = Transfer(head_epochs=1, unfreeze_epochs=2)
    learning = []
    for epoch in range(40):
        set_phase(network, transfer, epoch)
        learning.append({name for name, parameter in network.named_parameters() if parameter.requires_grad})
        frozen = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and not module.training]
        assert all(not parameter.requires_grad for module in frozen for parameter in module.parameters())
    assert learning[0] == classifier_names(network) < learning[1] == learning[2] < learning[3]
    assert all(before <= after for before, after in pairwise(learning))
    assert learning[-1] == {name for name, _ in network.named_parameters()}


def test_frozen_norms_keep_their_statistics(dataset: Dataset, tmp_path: Path):
    member = small(transfer=Transfer(freeze_norm=True), average="none", epochs=1)
    weights = trained(member, dataset, tmp_path / "a.pt").weights
    means = [value for name, value in weights.items() if name.endswith("running_mean")]
    assert means and not any(value.any() for value in means)


def test_snapshots_are_several_networks_whose_logits_are_averaged(dataset: Dataset, tmp_path: Path):
    member = RECIPES["snapshots"]
    result = trained(member, dataset, tmp_path / "a.pt")
    first, second = split(result.weights)
    images = dataset.test.images
    apart = [predict(member, part, images, 3, "cpu") for part in (first, second)]
    np.testing.assert_allclose(predict(member, result.weights, images, 3, "cpu"), np.mean(apart, axis=0), atol=1e-5)
    assert not np.allclose(apart[0], apart[1])


def test_folds_give_predictions_on_images_their_networks_did_not_see(dataset: Dataset, tmp_path: Path):
    """A nearest-neighbour memory would be right on every image it saw; random labels cannot be known otherwise."""
    noise = replace(dataset.train, targets=np.random.default_rng(0).permutation(dataset.train.targets))
    member = small(folds=3, epochs=3)
    result = trained(member, replace(dataset, train=noise), tmp_path / "a.pt", training=train_folds)
    assert result.out_of_fold is not None
    assert result.out_of_fold.shape == (192, 3)
    assert (np.abs(result.out_of_fold).sum(1) > 0).all(), "every image is in one fold"
    assert (result.out_of_fold.argmax(1) == noise.targets).mean() < 0.5
    assert len(split(result.weights)) == 3
    assert {row["fold"] for row in result.history} == {0, 1, 2}


def test_folds_stopped_go_on_in_the_fold_they_were_in(dataset: Dataset, tmp_path: Path):
    member = small(folds=2, epochs=2)
    unbroken = trained(member, dataset, tmp_path / "a.pt", training=train_folds)
    with pytest.raises(Stopped):
        trained(member, dataset, tmp_path / "b.pt", training=train_folds, stop=stop_before(8))
    steps = count()
    resumed = trained(member, dataset, tmp_path / "b.pt", training=train_folds, stop=lambda: next(steps) and None)
    assert next(steps) == 2 * 2 * 3 - 8
    assert_same(resumed, unbroken)
    np.testing.assert_array_equal(resumed.out_of_fold, unbroken.out_of_fold)


@pytest.mark.parametrize("kind", ["uniform", "greedy"])
def test_a_soup_is_one_network_of_all_its_ingredients(dataset: Dataset, tmp_path: Path, kind: str):
    member = small(fragile, soup=kind, ingredients=2, epochs=2, learning_rate=0.02)
    result = trained(member, dataset, tmp_path / "a.pt", training=train_soup)
    singles = [trained(member, dataset, tmp_path / f"{seed}.pt", seed=seed).weights for seed in (0, 1000)]
    mean = {name: (singles[0][name] + singles[1][name]) / 2 for name in singles[0]}
    candidates = [mean] if kind == "uniform" else [mean, *singles]
    assert any(all(torch.allclose(one[name], value) for name, value in result.weights.items()) for one in candidates)
    assert len(result.history) == 4


def test_a_teacher_moves_what_is_learnt(dataset: Dataset, tmp_path: Path):
    """A teacher that calls every image the first class, with all the weight, is what the student repeats."""
    teacher = np.tile([0.98, 0.01, 0.01], (len(dataset.train), 1))
    member = small(labels=Labels(teacher="any", teacher_weight=1.0, temperature=1.0))
    result = trained(member, dataset, tmp_path / "a.pt", peers=PeerPredictions(teacher=teacher))
    assert (predict(member, result.weights, dataset.test.images, 3, "cpu").argmax(1) == 0).all()


class TwoHeaded(nn.Module):
    """Logits that are constant without help: only the further terms of the loss reach its other parameters."""

    def __init__(self, num_classes: int, features: int) -> None:
        super().__init__()
        self.head, self.second = nn.Linear(features, num_classes), nn.Linear(features, num_classes)
        self.affect, self.pull = nn.Linear(features, 2), nn.Parameter(torch.ones(()))

    def forward(self, inputs: torch.Tensor) -> Outputs:
        flat = inputs.flatten(1)
        return Outputs(self.head(flat), self.second(flat), self.affect(flat).tanh(), (self.pull,))

    def regulariser(self, outputs: Outputs, targets: torch.Tensor) -> torch.Tensor:
        return outputs.parts[0] ** 2


def two_headed(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return TwoHeaded(num_classes, in_chans * image_size**2)


@pytest.mark.parametrize(
    ("loss", "still"),
    [
        (Loss(), set()),
        (Loss(auxiliary=0.0), {"second"}),
        (Loss(regulariser=0.0), {"pull"}),
        (Loss(valence=0.0, arousal=0.0), {"affect"}),
    ],
)
def test_further_outputs_learn_by_their_weight_in_the_loss(
    dataset: Dataset, tmp_path: Path, loss: Loss, still: set[str]
):
    affect = np.random.default_rng(0).uniform(-1, 1, (len(dataset.train), 2))
    data = replace(dataset, train=replace(dataset.train, affect=affect))
    member = small(two_headed, loss=loss, average="none", epochs=1, weight_decay=0.0, bf16_on_cpu=False)
    torch.manual_seed(0)
    before = member.build(3, 1).state_dict()
    after = trained(member, data, tmp_path / "a.pt").weights
    kept = {name.partition(".")[0] for name, value in after.items() if torch.equal(value, before[name])}
    assert kept == still


HALVES: list[float] = []
"""Half of the smallest number that is not denormal, as networks that are `watchful` computed it."""


def watchful(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """One layer, which is built where it will run."""
    HALVES.append((torch.tensor(torch.finfo(torch.float32).tiny) / 2).item())
    return fragile(num_classes, in_chans, image_size)


def test_training_and_prediction_take_denormal_numbers_for_zero(dataset: Dataset, tmp_path: Path):
    HALVES.clear()
    member = small(watchful, epochs=1, learning_rate=0.01)
    result = trained(member, dataset, tmp_path / "a.pt")
    assert set(HALVES) == {0.0}
    HALVES.clear()
    predict(member, result.weights, dataset.val.images, 3, "cpu")
    assert set(HALVES) == {0.0}
