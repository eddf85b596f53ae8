"""Authors' weights files: their wrappers, their names, and what is refused without running anything."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zoo import registry
from zoo.pretrained.authors import as_ours
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


def test_by_name_an_order_of_its_own_does_no_harm():
    author = Ours()
    reordered = dict(reversed([item for item in author.state_dict().items() if "num_batches" not in item[0]]))
    torch.testing.assert_close(matched(reordered, author.state_dict()), dict(author.state_dict()))


def test_a_stem_for_colour_is_summed_for_grey_images():
    author = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())
    network.load_state_dict(matched(author.state_dict(), network.state_dict()))
    images = torch.rand(2, 1, 3, 3)
    torch.testing.assert_close(network(images), author(images.expand(-1, 3, -1, -1)))
    with pytest.raises(ValueError, match=r"0\.weight \[4, 2, 3, 3\] here, 0\.weight \[4, 3, 3, 3\] there"):
        matched(author.state_dict(), nn.Sequential(nn.Conv2d(2, 4, 3)).state_dict())


def residual_masking_as_published(network: nn.Module) -> dict[str, torch.Tensor]:
    """Our tensors under the names of the authors' code, each mask's shortcuts twice, halves the other way round."""
    found: dict[str, torch.Tensor] = {}
    for name, value in network.state_dict().items():
        stage, _, rest = name.partition(".")
        if not stage.startswith("layer"):
            found[name.replace("fc.", "fc.1.")] = value
            continue
        inside, _, rest = rest.partition(".")
        if inside == "0":
            found[f"{stage}.{rest}"] = value
            continue
        mask, depth = f"mask{stage[-1]}", {"1": 4, "2": 3, "3": 2, "4": 1}[stage[-1]]
        kind, _, rest = rest.partition(".")
        if kind == "last":
            block = f"conv{2 * depth}"
        else:
            place, _, rest = rest.partition(".")
            number = int(place) + 1 + (0 if kind == "down" else depth)
            block = f"{'up_pool' if kind == 'enlarge' else 'conv'}{number}"
            if kind == "up" and rest in ("conv1.weight", "downsample.0.weight"):
                half = value.shape[1] // 2
                value = torch.cat([value[:, half:], value[:, :half]], dim=1)
        found[f"{mask}.{block}.{rest}"] = value
        if rest.startswith("downsample."):
            found[f"{mask}.downsample{block.removeprefix('conv')}.{rest.removeprefix('downsample.')}"] = value
    return found


def test_residual_masking_in_the_names_of_its_authors():
    with torch.device("meta"):  # shapes alone: it has 138 million parameters
        shapes = registry.get("residual_masking").build(7, 1).state_dict()
    random = torch.Generator().manual_seed(0)
    sizes = {name: [min(side, 6) for side in value.shape] for name, value in shapes.items()}
    narrow = {name: torch.rand(size, generator=random) for name, size in sizes.items()}

    class Narrow(nn.Module):
        def state_dict(self) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return narrow

    published = residual_masking_as_published(Narrow())
    assert {"mask1.downsample5.0.weight", "mask4.conv2.bn2.weight", "fc.1.bias"} <= published.keys()
    back = as_ours("residual_masking@long", published)
    assert list(back) != list(published) and back.keys() == narrow.keys()
    for name, value in narrow.items():
        torch.testing.assert_close(back[name], value, msg=name)
    assert as_ours("residual_masking", back).keys() == back.keys() and as_ours("vgg_fer", published) == published
