"""Authors' weights files: their wrappers, their names, and what is refused without running anything."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zoo.pretrained.checkpoints import UnreadableCheckpoint, matched, read_checkpoint


class Ours(nn.Sequential):
    def __init__(self, classes: int = 3) -> None:
        super().__init__(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes))


def named_by_an_author(network: nn.Module) -> dict[str, Any]:
    """The same tensors in the same order, under other names and without counters of batches."""
    kept = [(name, value) for name, value in network.state_dict().items() if "num_batches" not in name]
    return {f"features.{place}.{name.rpartition('.')[2]}": value for place, (name, value) in enumerate(kept)}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda tensors: tensors,
        lambda tensors: {"net": tensors, "acc": 73.1, "epoch": 12},
        lambda tensors: {"model_state_dict": {f"module.{name}": value for name, value in tensors.items()}},
        lambda tensors: {"state_dict": {f"module.model.{name}": value for name, value in tensors.items()}, "best": [1]},
    ],
)
@pytest.mark.parametrize("naming", [lambda network: network.state_dict(), named_by_an_author])
def test_wrappers_and_names_of_authors_are_seen_through(tmp_path: Path, wrapped: Any, naming: Any):
    author, network = Ours(), Ours()
    torch.save(wrapped(naming(author)), tmp_path / "theirs.pth")
    network.load_state_dict(matched(read_checkpoint(tmp_path / "theirs.pth"), network.state_dict()))
    images = torch.rand(2, 1, 3, 3)
    torch.testing.assert_close(network.eval()(images), author.eval()(images))


def test_weights_of_another_network_are_refused_with_a_list():
    with pytest.raises(ValueError, match=r"3\.weight \[3, 4\] here, 3\.weight \[7, 4\] there; 3\.bias \[3\] here"):
        matched(Ours(7).state_dict(), Ours(3).state_dict())
    with pytest.raises(ValueError, match="8 tensors here, 7 there"):
        matched(dict(list(Ours().state_dict().items())[:-1]), Ours().state_dict())


class Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("sprung"),))


def test_a_pickled_object_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole.pth").write_bytes(pickle.dumps(Trap()))
    torch.save({"net": Ours(), "x": Trap()}, tmp_path / "nested.pth")
    for name in ("whole.pth", "nested.pth"):
        with pytest.raises(UnreadableCheckpoint, match=f"{name} cannot be read as tensors alone"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"net": {}}])
def test_a_file_without_tensors_says_so(tmp_path: Path, content: Any):
    torch.save(content, tmp_path / "empty.pth")
    with pytest.raises(UnreadableCheckpoint, match="holds no state dict"):
        read_checkpoint(tmp_path / "empty.pth")
