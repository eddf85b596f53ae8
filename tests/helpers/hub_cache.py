"""A hub's cache on disk that holds one network, as if it had been fetched."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from zoo.pretrained.hub import HUB_FILE


def in_the_hubs_cache(folder: Path, repository: str, network: nn.Module) -> None:
    """Put the network's weights where the hub's client keeps those of `repository`, below `folder`/hub."""
    snapshot = folder / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, snapshot / HUB_FILE)
