"""What can go wrong with a member or an ensembler, and that it costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ensembles
from tests.helpers.digits import DIGITS, SIMPLE, digits, leaderboard, names, read, stored, stored_weights
from tests.helpers.runs import files
from tests.helpers.small_disk import small_disk
from zoo import registry

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def test_damaged_weights_are_set_aside_and_trained_anew(digits_copy: Path):
    predictions = stored(digits_copy, "linear")
    weights = stored_weights(digits_copy, "linear")
    predictions.unlink()
    weights.write_bytes(b"not weights")
    done = digits(digits_copy, "--members", "linear", "--train", "missing", *SIMPLE)
    assert (done.code, names(digits_copy)) == (0, ["linear"])
    assert weights.with_suffix(".unreadable").read_bytes() == b"not weights"
    assert predictions.exists()


def test_a_damaged_file_is_named_and_its_member_left_out(digits_copy: Path):
    path = stored(digits_copy, "mlp")
    path.write_bytes(path.read_bytes()[:500])
    done = digits(digits_copy, "--train", "never", *SIMPLE)
    assert done.code == 0
    assert f"not used: {path.name}: is damaged" in done.out
    assert names(digits_copy) == ["linear", "lenet", "resnet_digits"]
    (left_out,) = read(digits_copy)["not_run"]
    assert (left_out["name"], left_out["seed"]) == ("mlp", 0)
    assert left_out["command"] == "python benchmark.py --suite digits --members mlp --train missing"
    assert path.name in left_out["reason"] and "switched off" in left_out["reason"]
    assert left_out["command"] in leaderboard(digits_copy)


def test_a_damaged_file_is_made_anew_where_training_is_allowed(digits_copy: Path):
    path = stored(digits_copy, "mlp")
    content = path.read_bytes()
    path.write_bytes(content[:500])
    done = digits(digits_copy, "--train", "missing", *SIMPLE)
    assert f"not used: {path.name}: is damaged" in done.out
    assert names(digits_copy) == list(DIGITS)
    assert read(digits_copy)["not_run"] == []
    assert len(path.read_bytes()) == pytest.approx(len(content), abs=50)
    assert "not used" not in digits(digits_copy, *SIMPLE).out


def test_a_full_disk_is_told_of_with_the_file_and_what_helps(digits_copy: Path):
    before = files(digits_copy)
    with small_disk(1500):
        done = digits(digits_copy, "--members", "linear", "--seeds", "5", "--train", "missing", *SIMPLE)
    assert done.code == 2
    assert "linear.s5" in done.err and "cannot be written: File too large" in done.err and "free some space" in done.err
    assert files(digits_copy) == before
    done = digits(digits_copy, "--members", "linear", "--seeds", "5", "--train", "missing", *SIMPLE)
    assert (done.code, names(digits_copy)) == (0, ["linear"])


def test_results_that_cannot_be_written_to_are_refused_before_anything_is_trained(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    for verb in ((), ("--train", "missing"), ("--members", "linear")):
        done = digits(tmp_path / "file" / "results", *verb)
        assert (done.code, done.out) == (2, "")
        assert f"{tmp_path / 'file' / 'results'} cannot be written: Not a directory" in done.err


class NoNumbers(nn.Module):
    """Learns as one layer does, and predicts nothing of use."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x)
        return logits if self.training else logits * float("nan")


def fails_to_build(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    raise RuntimeError("a wheel is missing\nand another")


def wrong_width(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3, num_classes))


def diverges(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    layer = nn.Linear(in_chans * image_size**2, num_classes)
    nn.init.constant_(layer.weight, float("nan"))
    return nn.Sequential(nn.Flatten(), layer)


def predicts_no_numbers(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), NoNumbers(nn.Linear(in_chans * image_size**2, num_classes)))


BROKEN = [
    (fails_to_build, "failed with RuntimeError: a wheel is missing and another"),
    (wrong_width, "mat1 and mat2 shapes cannot be multiplied"),
    (diverges, "the loss is nan in epoch 1"),
    (predicts_no_numbers, "the logits of val hold values no number fits"),
]


@pytest.mark.parametrize(("builder", "reason"), BROKEN, ids=[builder.__name__ for builder, _ in BROKEN])
def test_one_broken_member_does_not_cost_the_others_their_result(
    digits_copy: Path, add_member: Callable[[registry.Member], None], builder: Callable[..., nn.Module], reason: str
):
    linear = registry.get("linear")
    quick = replace(linear.recipe, epochs=2)
    add_member(replace(linear, name="broken", builder=f"{__name__}:{builder.__name__}", recipe=quick))
    done = digits(digits_copy, "--members", "broken", "linear", "mlp", "--train", "missing", *SIMPLE)
    assert done.code == 0
    assert names(digits_copy) == ["linear", "mlp"]
    (left_out,) = read(digits_copy)["not_run"]
    assert left_out["name"] == "broken"
    assert reason in left_out["reason"]
    assert "\n" not in left_out["reason"]
    assert f"not run: broken (seed 0): {left_out['reason']}" in done.out
    assert "broken" in leaderboard(digits_copy).partition("## Not run")[2]
    assert not list((digits_copy / "digits" / "predictions").glob("broken.*"))


def test_where_every_member_is_broken_the_run_says_why(tmp_path: Path, add_member: Callable[[registry.Member], None]):
    add_member(replace(registry.get("linear"), name="broken", builder=f"{__name__}:fails_to_build"))
    done = digits(tmp_path, "--members", "broken", "--train", "missing")
    assert done.code == 2
    assert "broken: failed with RuntimeError: a wheel is missing" in done.err
    assert "Try" not in done.err


def test_a_broken_ensembler_is_named(digits_copy: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: object, logits: object, targets: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(ensembles.get("uniform"), "_fit", refuse)
    done = digits(digits_copy, "--fresh", *SIMPLE)
    assert done.code == 0
    found = read(digits_copy)
    assert "best_single" in [row["name"] for row in found["ensembles"]]
    (failed,) = found["failed"]
    assert failed["name"] == "uniform" and "out of luck" in failed["error"]
    assert "out of luck" in leaderboard(digits_copy)
